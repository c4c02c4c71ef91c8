"""What a run's history is made of: its cases, launches, deaths and recoveries, and the counts over all of them."""

from msgspec import Struct, field

from trainwarden.model import Checkpoint, StepDown
from trainwarden.restart import events
from trainwarden.restart.facts import Facts
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, RestartReason, State


class Case(Struct, frozen=True, kw_only=True):
    """One generation that is being looked at, stopped, or followed by the next."""

    generation: int
    alert: str
    """That opened it; empty where the receiver's own watch did."""
    state: State
    since: float
    """Seconds since boot at which the state was entered."""
    opened_at: float
    """Unix seconds."""
    opened: float
    """Seconds since boot."""
    alerts: frozenset[str] = frozenset()
    """Those that stand for it: the case ends undecided with the last of them."""
    hold: HoldReason | None = None
    reason: RestartReason | None = None
    facts: Facts | None = None
    """By which the restart was decided."""
    died: float | None = None
    """Seconds since boot at which no member was left."""
    written_at: float | None = None
    """When a checkpoint of the run had last been written by then, by the clock of its file system."""
    chosen: events.Chosen | None = None
    called: CallReason | None = None


class Probation(Struct, frozen=True, kw_only=True):
    """A launch that has not proved itself yet."""

    generation: int
    since: float
    case: Case
    """That it closes."""
    step: int | None
    """From which it resumed, where that was known at once."""
    called: CallReason | None = None


class Launch(Struct, frozen=True, kw_only=True):
    """One generation that the receiver launched."""

    generation: int
    at: float
    """Seconds since boot."""
    checkpoint: Checkpoint
    errors: dict[str, int]
    """The run's error counts before it."""
    step_down: StepDown | None = None
    """What it changed, where it stepped down."""


class Death(Struct, frozen=True, kw_only=True):
    """A generation for which a restart was decided."""

    generation: int
    step: int | None
    error: str
    shortage: str = ""
    """What it ran out of (``Facts.shortage``)."""


class Recovery(Struct, frozen=True, kw_only=True):
    """The last restart of the run that was seen to train on."""

    generation: int
    at: float
    """Unix seconds."""
    step: int | None
    """From which it resumed, where that is known."""
    steps_lost: int
    seconds_lost: float
    """From the opening of the case to the new steps."""


class Totals(Struct, frozen=True, kw_only=True):
    """Counts over everything that the ledger holds, earlier runs of the name included."""

    restarts: dict[RestartReason, int] = field(default_factory=dict)
    holds: dict[HoldReason, int] = field(default_factory=dict)
    recoveries: int = 0
    steps_lost: int = 0
    called: frozenset[GiveUpReason | CallReason | HoldReason] = frozenset()
    """Every reason for which a human was ever called."""
