"""What a training says of its steps, added up. Times come in from ``time.monotonic()``, seconds."""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from math import isfinite
from statistics import median
from typing import Any

BUCKETS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 60.0)
"""``model.STEP_BUCKETS``, seconds; here again, since a trainer does not import ``model``."""
NEWEST = 512
"""Steps that the median remembers, as for steps that are timed by the output."""
PHASES = ("starting", "caching", "training", "evaluating", "checkpointing")
"""The phases of ``model.Phase`` in which a process lives."""
_LARGEST = 2**53
"""No step is beyond: a larger number is a mistake, which the file's readers could not read."""

_LOOKS = 5
"""How often the count is read again that moved meanwhile; a step more or less is all that may differ."""


class Count:
    """Steps, their durations, the phase and the loss of one process."""

    def __init__(self, now: float, max_steps: int | None = None, max_epochs: int | None = None) -> None:
        self.phase = "starting"
        self.phase_since = self._told_at = now
        self.step: int | None = None
        self.epoch: int | None = None
        self.max_steps, self.max_epochs = max_steps, max_epochs
        self.loss: float | None = None
        self.nonfinite_losses = 0
        self.steps_done = 0
        self.last_step_at: float | None = None
        self.saves = 0
        self.last_save_seconds: float | None = None
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0
        self._newest: deque[float] = deque(maxlen=NEWEST)
        self._began: float | None = None
        """When the step under way began, later by what other phases took; None: the next step is not timed."""
        self._left_at = now
        """When the phase ``training`` was last left."""
        self._started_at = now

    def plan(self, max_steps: int | None, max_epochs: int | None) -> None:
        """How far the training is to go, where that is said."""
        self.max_steps = self.max_steps if max_steps is None else max_steps
        self.max_epochs = self.max_epochs if max_epochs is None else max_epochs

    def start(self, step: int, now: float) -> None:
        """The next step follows ``step``, and is not timed: it warms up."""
        self.enter("starting", now)
        self.step = int(step)
        self._began = None
        self._started_at = now

    def take(self, n: int | None, now: float) -> None:
        """A step is done: see ``Heartbeat.step``."""
        last = self.step
        if n is None:
            n = (last or 0) + 1
        elif type(n) is not int:
            n = int(n)
        if self.phase != "training":
            self._begin_training(now)
        if n == last:
            self._told_at = now
            return
        new = 1 if last is None or n < last else n - last
        if last is not None and n < last:  # an earlier state was loaded: the first step after it is not timed
            self._began = None
        self.step = n
        self.steps_done += new
        if self._began is not None:
            self._time(now - self._began, new)
        self._began = self.last_step_at = now

    def _begin_training(self, now: float) -> None:
        """Nobody said that the other phase was over, so what is the step's share of the time is not known."""
        self.enter("training", now)
        self._began = None

    def _time(self, seconds: float, steps: int) -> None:
        """So many steps share the time."""
        each = seconds / steps
        self.counts[bisect_left(BUCKETS, each)] += steps
        self.sum += seconds
        if steps == 1:
            self._newest.append(each)
        else:
            self._newest.extend([each] * min(steps, NEWEST))

    def enter(self, phase: str, now: float) -> None:
        """Go over to a phase. Raises ``ValueError`` for one that is none."""
        if phase not in PHASES:
            raise ValueError(f"phase {phase!r} is not one of {', '.join(PHASES)}")
        self._told_at = now
        if phase == self.phase:
            return
        if self.phase == "training":
            self._left_at = now
        elif phase == "training" and self._began is not None:
            self._began += now - self._left_at
        if self.phase == "checkpointing":
            self.last_save_seconds = now - self.phase_since
        if phase == "checkpointing":
            self.saves += 1
        self.phase, self.phase_since = phase, now

    @property
    def beat_at(self) -> float:
        """When something was last told."""
        return max(self._told_at, self.last_step_at or 0.0)

    @property
    def main_phase(self) -> str:
        """What goes on when an evaluation or a save is over: the start, until the first step after it is done."""
        return "training" if (self.last_step_at or 0.0) > self._started_at else "starting"

    def note_loss(self, loss: float) -> None:
        """What is not finite is counted, and leaves no old value standing."""
        if isfinite(loss):
            self.loss = loss
        else:
            self.loss = None
            self.nonfinite_losses += 1

    def document(self, unix: Callable[[float], float]) -> dict[str, Any]:
        """As ``model.Progress`` has it. ``unix`` makes a monotonic time one of the wall clock.

        Called by another thread than the one that counts, so a step that comes in between makes it look again.
        """
        for _ in range(_LOOKS):
            steps_done = self.steps_done
            found = self._document(unix)
            if self.steps_done == steps_done:
                break
        return found

    def _document(self, unix: Callable[[float], float]) -> dict[str, Any]:
        newest = list(self._newest)
        return {
            "phase": self.phase,
            "phase_since": unix(self.phase_since),
            "beat_at": unix(self.beat_at),
            "step": _whole(self.step),
            "max_steps": _whole(self.max_steps),
            "epoch": _whole(self.epoch),
            "max_epochs": _whole(self.max_epochs),
            "loss": self.loss,
            "last_step_at": None if self.last_step_at is None else unix(self.last_step_at),
            "steps_done": min(self.steps_done, _LARGEST),
            "durations": {"counts": [min(count, _LARGEST) for count in list(self.counts)], "sum": self.sum},
            "median_step_seconds": median(newest) if newest else None,
            "saves": self.saves,
            "last_save_seconds": self.last_save_seconds,
            "nonfinite_losses": self.nonfinite_losses,
        }


def _whole(number: Any) -> int | None:
    """A caller's number as a file may hold it."""
    try:
        whole = int(number)
    except (TypeError, ValueError, OverflowError):
        return None
    return whole if abs(whole) < _LARGEST else None
