"""What the receiver enters in a run's ledger, always before it acts on it.

A stage says what it decided or saw; when and of which run is stamped on by the desk. A line is one event.
"""

import time
from typing import NamedTuple

from msgspec import Struct, field

from trainwarden import system
from trainwarden.model import Checkpoint, StepDown
from trainwarden.restart.facts import Facts
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, RestartReason


class Moment(NamedTuple):
    """Now, by both clocks: the wall's for people and files, and the one since boot for every wait."""

    wall: float
    mono: float
    """``system.monotonic()``: no jump of the wall clock shortens or lengthens a wait."""

    @staticmethod
    def now() -> "Moment":
        """Read both clocks."""
        return Moment(time.time(), system.monotonic())


class Event(Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base of everything that a ledger holds."""

    at: float = 0.0
    """Unix seconds."""
    mono: float = 0.0
    """Seconds since boot."""
    run_id: str = ""
    """A name may be used again; what an earlier run did is not held against a later one."""


class Accepted(Event, frozen=True, kw_only=True):
    """A case is opened: the run will be looked at."""

    generation: int
    alert: str
    """The alert's name; empty where the receiver's own watch saw a launch die."""
    fingerprint: str = ""
    starts_at: str = ""
    steps_lost: int = 0
    """By the launch that died, where that was seen."""


class Joined(Event, frozen=True, kw_only=True):
    """Another alert speaks of the generation whose case is open: the case then does not end with the first one."""

    alert: str


class Resolved(Event, frozen=True, kw_only=True):
    """An alert was resolved before anything was decided."""

    alert: str = ""
    """Its name; empty ends the case, whatever else stands."""


class Held(Event, frozen=True, kw_only=True):
    """Decided to leave the run alone. ``passing``: for now, and it will be looked at again."""

    reason: HoldReason
    passing: bool
    facts: Facts | None = None


class Decided(Event, frozen=True, kw_only=True):
    """Decided to restart."""

    reason: RestartReason
    facts: Facts


class Captured(Event, frozen=True, kw_only=True):
    """What shows why was written down."""

    folder: str
    """Absolute; empty where it could not be written."""
    detail: str = ""
    """Why it could not."""


class Stopping(Event, frozen=True, kw_only=True):
    """Every member is about to be asked to stop."""


class Died(Event, frozen=True, kw_only=True):
    """No member is left."""

    written_at: float | None = None
    """When a checkpoint of the run was last written: one that is newer was not written by it."""


class Freed(Event, frozen=True, kw_only=True):
    """The GPU memory gate passed."""

    how: str
    """One sentence."""


class Blocked(Event, frozen=True, kw_only=True):
    """Not launched yet after all: somebody took the GPU memory during the pause, or the user has paused the run."""

    why: str
    """One sentence."""


class Paused(Event, frozen=True, kw_only=True):
    """The pause after the stop is over."""


class Chosen(Event, frozen=True, kw_only=True):
    """``generation`` is about to be launched from ``checkpoint``."""

    generation: int
    checkpoint: Checkpoint
    passed_over: list[str] = field(default_factory=list)
    """Why not a newer one, a sentence each."""
    overwrites: list[str] = field(default_factory=list)
    """What the resumed trainer will write again: everything newer than the checkpoint. trainwarden touches none."""
    rotates: list[str] = field(default_factory=list)
    """What the resumed trainer will delete as it saves on, as its own options say."""
    errors: dict[str, int] = field(default_factory=dict)
    """The run's error counts so far: what is above them belongs to the new generation."""
    step_down: StepDown | None = None
    """What the new generation changes by the guide's remedies; None: nothing."""


class Launched(Event, frozen=True, kw_only=True):
    """The new generation exists; its probation begins."""

    generation: int
    reason: RestartReason
    checkpoint: str
    """Its path."""
    step: int | None = None
    """The step that it resumed from, where that is known at once."""


class Recovered(Event, frozen=True, kw_only=True):
    """The new generation took its steps: the loop is closed."""

    generation: int
    step: int | None = None
    """From which it resumed, where that is known. What kohya saves names only the epoch; the run's own count tells."""
    new_steps: int
    steps_lost: int
    seconds_lost: float
    """From the opening of the case to this moment."""


class Called(Event, frozen=True, kw_only=True):
    """A human is called, and the receiver goes on trying."""

    reason: CallReason
    detail: str = ""


class GaveUp(Event, frozen=True, kw_only=True):
    """The receiver cannot help: the run is about to be closed, if it is dead."""

    reason: GiveUpReason
    detail: str
    """One sentence."""
    facts: Facts | None = None


class Closed(Event, frozen=True, kw_only=True):
    """Nothing more is done for the run that was given up."""

    detail: str = ""
    """Why it is not closed, where it is not."""


AnyEvent = (
    Accepted
    | Joined
    | Resolved
    | Held
    | Decided
    | Captured
    | Stopping
    | Died
    | Freed
    | Blocked
    | Paused
    | Chosen
    | Launched
    | Recovered
    | Called
    | GaveUp
    | Closed
)
"""One line of ``ledger.jsonl``."""
