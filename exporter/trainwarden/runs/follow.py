"""A training's output → ``model.Progress``: which step it is at, what it is doing, and how long its steps take.

Steps are timed by when they appear, each as its share of the time since the step before. Not timed are the first
step of a generation (it warms up) and of a new follower (nobody watched), and a step before which a checkpoint was
written or sample images were drawn: that time is not the step's.
"""

import math
from typing import Any

from msgspec import structs

from trainwarden.model import ErrorKind, Phase, Progress
from trainwarden.runs import counting
from trainwarden.runs.bars import STEPS, UNNAMED, Bar, counts_steps, read_bar
from trainwarden.runs.durations import StepTimes
from trainwarden.runs.events import (
    Caching,
    EpochStarted,
    Evaluating,
    Event,
    Header,
    KohyaSpeaks,
    Loss,
    Saving,
    read_line,
)
from trainwarden.runs.faults import Fault, shorten
from trainwarden.runs.lines import LineSplitter

_EVALUATION = ("valid", "epoch valid", "evaluat", "test", "sanity check", "predict")
"""How the names of bars begin that are drawn while a training evaluates itself."""


class Follower:
    """Follows the output of one generation from its first byte. Never raises, whatever the output holds.

    ``resumed_epochs`` is how many epochs the checkpoint that the generation resumed from contains, ``base_step`` how
    many steps, where that is known; ``carried_errors`` are the error counts of the generations before.
    """

    def __init__(
        self,
        generation: int,
        started_at: float,
        *,
        resumed_epochs: int | None = None,
        base_step: int | None = None,
        carried_errors: dict[str, int] | None = None,
    ) -> None:
        self._progress = Progress(
            writer="output",
            generation=generation,
            phase=Phase.STARTING,
            phase_since=started_at,
            beat_at=started_at,
            errors=dict(carried_errors or {}),
        )
        self._resumed_epochs = resumed_epochs
        self._base_step = base_step
        self._lines = LineSplitter()
        self._times = StepTimes()
        self._new_steps = 0
        """Steps that appeared in the bytes being read and are not timed yet."""
        self._untimed = False
        """Whether the time since the last step holds something other than steps."""
        self._lost = False
        """Whether the loss is NaN or infinite: counted once, however long it stays so."""

    @classmethod
    def resume(
        cls, progress: Progress, *, resumed_epochs: int | None = None, base_step: int | None = None
    ) -> "Follower":
        """Go on from what a former follower of this generation stored; feed it from ``progress.position`` on."""
        follower = cls(progress.generation, progress.beat_at, resumed_epochs=resumed_epochs, base_step=base_step)
        follower._progress = progress
        follower._lines = LineSplitter(progress.position)
        follower._times = StepTimes(progress.durations, progress.median_step_seconds)
        follower._untimed = True
        follower._lost = progress.loss is None and ErrorKind.NAN_LOSS.value in progress.errors
        return follower

    def feed(self, data: bytes, now: float) -> None:
        """Read the next bytes of the output, which had come by ``now`` (Unix seconds)."""
        if not data:
            return
        self._update(beat_at=now)
        for line in self._lines.feed(data):
            self._read(line, now)
        # A bar's line ends only when the bar is drawn again, but its step must be seen now.
        unfinished = self._lines.unfinished
        bar, _ = read_bar(unfinished)
        if bar is not None:
            self._draw(bar, unfinished, now)
        self._time_steps(now)

    def finish(self, now: float) -> None:
        """The output is over: read its last line, which nothing ended."""
        self._read(self._lines.finish(), now)
        self._time_steps(now)

    def progress(self) -> Progress:
        """What has been seen so far."""
        return structs.replace(
            self._progress,
            durations=self._times.histogram,
            median_step_seconds=self._times.median_seconds,
            position=self._lines.position,
        )

    def _update(self, **changes: Any) -> None:
        self._progress = structs.replace(self._progress, **changes)

    def _enter(self, phase: Phase, now: float) -> None:
        if self._progress.phase is not phase:
            self._update(phase=phase, phase_since=now)

    @property
    def _first_step(self) -> int | None:
        return counting.first_step(self._progress, self._resumed_epochs, self._base_step)

    def _read(self, line: str, now: float) -> None:
        for event in read_line(line):
            self._apply(event, line, now)

    def _apply(self, event: Event, line: str, now: float) -> None:
        match event:
            case Bar():
                self._draw(event, line, now)
            case Loss(value):
                self._note_loss(value, line)
            case Header():
                self._note_header(event)
            case EpochStarted():
                self._begin_epoch(event, now)
            case Saving():
                self._save(now)
            case Evaluating():
                self._pause(Phase.EVALUATING, now)
            case Caching():
                self._prepare(now)
            case KohyaSpeaks():
                self._count_by(STEPS)
            case Fault():
                self._note_fault(event)

    def _draw(self, bar: Bar, line: str, now: float) -> None:
        """Training begins with the first drawing of the counting bar: from then on a hang must be seen."""
        if not counts_steps(bar, self._progress.counter, self._progress.max_steps):
            self._draw_other(bar, now)
            return
        self._count_by(bar.name)
        before = self._progress
        self._progress, new = counting.draw(before, bar, self._first_step)
        self._new_steps += new
        self._note_loss(bar.loss, line)
        # A redraw of the same is no sign of life: tqdm also draws while a checkpoint is written.
        if before.count is None or new or self._progress.loss != before.loss:
            self._enter(Phase.TRAINING, now)

    def _draw_other(self, bar: Bar, now: float) -> None:
        if self._progress.count is None:
            if not bar.name.startswith("Loading"):
                self._prepare(now)
        elif bar.name.lower().startswith(_EVALUATION) or bar.name == self._progress.counter == UNNAMED:
            self._pause(Phase.EVALUATING, now)

    def _count_by(self, counter: str) -> None:
        if self._progress.counter != counter:
            self._progress = counting.begin_count(self._progress, counter)
            self._times = StepTimes()
            self._new_steps = 0

    def _prepare(self, now: float) -> None:
        if self._progress.phase is Phase.STARTING:
            self._enter(Phase.CACHING, now)

    def _begin_epoch(self, epoch: EpochStarted, now: float) -> None:
        self._update(epoch=epoch.number)
        self._note_header(Header(max_epochs=epoch.of))
        if self._progress.count is not None:
            self._enter(Phase.TRAINING, now)

    def _save(self, now: float) -> None:
        """One save prints several lines: it is counted when the phase begins."""
        if self._progress.phase is not Phase.CHECKPOINTING:
            self._update(saves=self._progress.saves + 1)
        self._pause(Phase.CHECKPOINTING, now)

    def _pause(self, phase: Phase, now: float) -> None:
        """Something other than steps begins. It ends with the next epoch's line, or with a bar that shows news."""
        self._time_steps(now)
        self._untimed = True
        self._enter(phase, now)

    def _time_steps(self, now: float) -> None:
        if not self._new_steps:
            return
        last = self._progress.last_step_at
        # Not later than the last step: the clock was set back, or one backlog is read in several pieces.
        if last is not None and now > last and not self._untimed:
            self._times.add(now - last, self._new_steps)
        self._update(last_step_at=now)
        self._new_steps, self._untimed = 0, False

    def _note_header(self, header: Header) -> None:
        self._progress = counting.note_header(self._progress, header)
        self._progress = counting.place(self._progress, self._first_step)

    def _note_loss(self, loss: float | None, line: str) -> None:
        if loss is None:
            return
        if math.isfinite(loss):
            self._update(loss=loss)
            self._lost = False
        elif not self._lost:
            self._update(loss=None)
            self._lost = True
            self._note_fault(Fault(ErrorKind.NAN_LOSS, shorten(line)))

    def _note_fault(self, fault: Fault) -> None:
        if fault.consequence:
            return
        errors = self._progress.errors
        kind = fault.kind.value
        self._update(errors={**errors, kind: errors.get(kind, 0) + 1}, last_error=fault.text)
