"""The contract of an engine: what starts, looks at and ends the launches of a run that is not started by our keeper.

Who calls it is the run's supervisor, on the machine where the engine's own commands work. An engine keeps no state of
its own: everything that it must know again is in the handle that ``start`` returned, which the run folder holds.
"""

from pathlib import Path
from typing import Protocol

from msgspec import Struct, field


class Order(Struct, frozen=True, kw_only=True):
    """One launch, written into the run folder before anybody acts on it."""

    name: str
    """The run's."""
    run_id: str
    generation: int
    argv: list[str]
    """The training's own command, or the one that resumes it."""
    cwd: str
    """Absolute."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the launch carries beside its own: TRAINWARDEN_RUN, _RUN_ID and _GENERATION, by which members are found."""
    output: str
    """The file that the launch's output is to be appended to, absolute."""


class Status(Struct, frozen=True, kw_only=True):
    """What an engine says of one launch."""

    alive: bool
    """Whether anything of it runs, or is about to (a job that waits for its turn lives)."""
    suspended: bool = False
    """Whether the engine holds it still, as somebody wanted (``docker pause``, ``scontrol suspend``)."""
    pid: int | None = None
    """Its topmost process, where that can be seen from here."""
    exit_code: int | None = None
    signal: int | None = None
    """How it ended: one of the two, or neither where the engine cannot tell."""
    at: float | None = None
    """When it ended, Unix seconds, where the engine tells."""
    by_hand: bool = False
    """Whether it was ended through the engine (``scancel``, ``docker stop``); whether by us is the caller's to know."""
    cut_off: bool = False
    """Whether the engine ended it for reasons of its own (its time was over): its signal then says nothing."""


class Engine(Protocol):
    """One way to run a training. Every method answers within seconds, or raises ``TrainwardenError`` in one sentence.

    ``probe`` raises where the engine does not answer: that is not an end of the training.
    """

    name: str
    interval: float
    """Seconds between two looks that it bears."""
    visible: bool
    """Whether the members of a launch are processes of this machine, to be counted and signalled in /proc."""

    def check(self, order: Order) -> None:
        """Be refused now where ``start`` would be, whoever still lives. Touches nothing."""

    def start(self, order: Order) -> str:
        """Launch, exactly once, and return the handle. Never beside a living launch of the same run."""

    def find(self, order: Order) -> str | None:
        """The handle of this very launch, where it exists already (it was started, and the record was lost)."""

    def probe(self, handle: str) -> Status:
        """A fresh look at one launch."""

    def carry(self, handle: str, output: Path) -> None:
        """Bring over what the launch has printed since the last call; nothing where it writes there by itself."""

    def cgroup_names(self, handle: str) -> tuple[str, ...]:
        """What the control group may be called that it makes for this launch alone; nothing where it names none so."""

    def stop(self, handle: str, *, kill: bool) -> None:
        """Ask for its end: politely, and later with ``kill`` firmly. Of what has ended already: nothing happens.

        Called for engines whose members are not ``visible``; those of the others are signalled one by one.
        """
