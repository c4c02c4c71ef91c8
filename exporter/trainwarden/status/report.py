"""What is told: the keys of ``trainwarden status --json`` (docs/status.md), base units as in the metrics' names.

What this machine or a run does not tell is null, or an empty list; 0 is said only where it was read.
"""

from collections.abc import Iterable
from enum import Enum

from msgspec import Struct, field

from trainwarden.model import Verdict


class Level(str, Enum):
    """How a signal stands."""

    SAFE = "safe"
    INFO = "info"
    """Worth knowing, and no alarm: the GPU below its target."""
    WARNING = "warning"
    DANGER = "danger"


_ORDER = list(Level)


def worst(levels: Iterable[Level | None]) -> Level:
    """The worst of them; what is not judged does not count."""
    return max((level for level in levels if level is not None), key=_ORDER.index, default=Level.SAFE)


class Signal(Struct, frozen=True, kw_only=True):
    """One reading beside its thresholds."""

    signal: str
    """As in ``trainwarden thresholds``; the name ends in the unit."""
    value: float
    total: float | None = None
    """Of what ``value`` is a share or a part, in bytes or watts, where there is such a thing."""
    limits: dict[str, float] = field(default_factory=dict)
    """The thresholds in force, by their level."""
    level: Level | None = None
    """None: not judged (the guide sets no bound, or no run trains on this GPU)."""
    gpu: str | None = None
    """Index of the card that it is of."""
    run: str | None = None
    """Whose thresholds it is judged by, where not the machine's."""
    note: str = ""
    """What to know or to do, one sentence; mostly empty."""


class Card(Struct, frozen=True, kw_only=True):
    """A GPU."""

    gpu: str
    uuid: str
    name: str
    up: bool
    """Whether the driver answers for it."""
    runs: list[str]
    """The live runs that use it."""


class Machine(Struct, frozen=True, kw_only=True):
    """This machine."""

    level: Level
    gpus: list[Card]
    signals: list[Signal]


class Saved(Struct, frozen=True, kw_only=True):
    """A checkpoint."""

    path: str
    epoch: int | None
    step: int | None
    at: float
    """Unix seconds."""
    size_bytes: int
    verdict: Verdict
    reason: str
    """Why it is not valid."""


class Run(Struct, frozen=True, kw_only=True):
    """A run."""

    level: Level
    live: bool
    """Whether a process of it should exist."""
    state: str | None
    """Where its restart stands, in the words of docs/states.md; None where its ledger cannot be read."""
    held_for: str | None
    needs_human: str | None
    """Why the receiver leaves it alone for now, and why it calls a human: reasons of docs/states.md."""
    paused: bool
    observed: bool
    """``mode: observe``: the receiver decides and does not act."""
    attached: bool
    """Watched only: it ran before trainwarden came, and is neither stopped nor started."""
    phase: str | None
    phase_since: float | None
    generation: int
    not_resumable: str
    """Why it could not be resumed if it died, one sentence; empty where it could."""
    gpus_unknown: str
    """Why it cannot be told which GPUs it names by number, one sentence with the mend; empty where it can."""
    epoch: int | None
    max_epochs: int | None
    step: int | None
    max_steps: int | None
    step_seconds: float | None
    """While it is watched the mean of the last ten minutes, else the median of the newest 512 steps."""
    remaining_seconds: float | None
    """Steps left at that pace; only while it trains."""
    loss: float | None
    memory_bytes: int | None
    processes: int | None
    exit_code: int | None
    ended_because: str
    errors: dict[str, int]
    """By kind, those that were met."""
    checkpoints: list[Saved]
    """The newest three, newest first."""
    sample_images: int | None
    restarts: int | None
    """That the receiver launched."""
    restarts_left: int | None
    last_line: str
    """Of its output."""
    signals: list[Signal]


class Process(Struct, frozen=True, kw_only=True):
    """One of those that use most memory."""

    pid: int
    name: str
    """The program, and what it runs where it is an interpreter; never its other arguments."""
    memory_bytes: int
    run: str | None
    """Whose member it is."""


class Fault(Struct, frozen=True):
    """Something that could not be read."""

    collector: str
    fault: str


class Report(Struct, frozen=True, kw_only=True):
    """One look."""

    at: float
    """Unix seconds."""
    level: Level
    """The worst of the machine's and every run's."""
    machine: Machine
    runs: dict[str, Run]
    processes: list[Process]
    """By memory, at most five."""
    faults: list[Fault]
