"""A training's output → ``model.Progress``: which step it is at, what it is doing, and how long its steps take.

Steps are timed by when they appear, each as its share of the time since the step before. Not timed are the first
step of a generation (it warms up) and of a new follower (nobody watched), and a step before which a checkpoint was
written or sample images were drawn: that time is not the step's.

**When a phase ends.** Only in phase ``training`` does silence mean a hang, so a training is in it only while steps are
all that is due.

* ``starting`` ends with the first bar or word of caching, ``caching`` when training begins: with kohya's first drawing
  of ``steps`` (it says in words whatever else it does), with any other trainer's first step. Until then a model may be
  compiled, which takes minutes in which nothing is printed. Where no bar ever comes (it is switched off), ``starting``
  begins anew with each loss that is printed.
* ``training`` ends with a word or bar of a save, of sample images or of an evaluation. Other trainers than kohya save
  and evaluate without a word where their bar is full (the epoch's, or the run's): then ``evaluating`` begins.
* ``evaluating`` and ``checkpointing`` end with the next step (or a new loss of the same step), or kohya's line of the
  next epoch; not with a mere redraw, which tqdm also makes while a checkpoint is written.
"""

from typing import Any

from msgspec import structs

from trainwarden.model import ErrorKind, Phase, Progress
from trainwarden.runs.bars import EPOCH, EPOCHS, INNER, STEPS, UNNAMED, Bar, counts_steps, evaluates, find_loss
from trainwarden.runs.counting import Counting
from trainwarden.runs.durations import StepTimes
from trainwarden.runs.events import (
    HF,
    KOHYA,
    LIGHTNING,
    TORCH,
    Caching,
    EpochStarted,
    Evaluating,
    Event,
    Header,
    Loss,
    Saving,
    Speaks,
    read_line,
)
from trainwarden.runs.faults import Fault, shorten
from trainwarden.runs.lines import LineSplitter, clean
from trainwarden.runs.losses import Losses
from trainwarden.runs.nesting import Nest
from trainwarden.runs.redraws import Drawing, drawing_of

_SAVING = "writing model shards"
_BARS_OF = {_SAVING: HF, "sanity checking": LIGHTNING, "validation dataloader": LIGHTNING}
"""How the names of bars begin that tell the framework."""


class Follower:
    """Follows the output of one generation from its first byte. Never raises, whatever the output holds.

    ``resumed_epochs`` is how many epochs the checkpoint that the generation resumed from contains, ``base_step`` how
    many steps, where that is known; ``carried_errors`` and ``carried_nonfinite`` are earlier generations' counts.
    """

    def __init__(
        self,
        generation: int,
        started_at: float,
        *,
        resumed_epochs: int | None = None,
        base_step: int | None = None,
        carried_errors: dict[str, int] | None = None,
        carried_nonfinite: int = 0,
    ) -> None:
        begun = Progress(
            writer="output",
            generation=generation,
            phase=Phase.STARTING,
            phase_since=started_at,
            beat_at=started_at,
            errors=dict(carried_errors or {}),
            nonfinite_losses=carried_nonfinite,
        )
        self._go_on(begun, resumed_epochs, base_step)

    @classmethod
    def resume(
        cls, progress: Progress, *, resumed_epochs: int | None = None, base_step: int | None = None
    ) -> "Follower":
        """Go on from what a former follower of this generation stored; feed it from ``progress.position`` on."""
        follower = cls(progress.generation, progress.beat_at)
        follower._go_on(progress, resumed_epochs, base_step)
        follower._untimed = True
        return follower

    def _go_on(self, progress: Progress, resumed_epochs: int | None, base_step: int | None) -> None:
        self._progress = progress
        """All but what the others below keep."""
        self._counting = Counting(progress, resumed_epochs, base_step)
        self._nest = Nest(self._counting)
        self._lines = LineSplitter(progress.position)
        self._times = StepTimes(progress.durations, progress.median_step_seconds)
        self._new_steps = 0
        """Steps that appeared in the bytes being read and are not timed yet."""
        self._untimed = False
        """Whether the time since the last step holds something other than steps."""
        self._losses = Losses(progress)
        self._rank: int | None = None
        """Of the processes whose bars are told apart, the one that is listened to: the lowest."""
        self._drawing: Drawing | None = None
        self._stats = b""
        """What stands behind the newest redraw, of which the loss is not read yet."""

    def feed(self, data: bytes, now: float) -> None:
        """Read the next bytes of the output, which had come by ``now`` (Unix seconds)."""
        if not data:
            return
        self._update(beat_at=now)
        self._read_all(self._lines.feed(data), now)
        self._read_unfinished(self._lines.unfinished, now)
        self._time_steps(now)

    def finish(self, now: float) -> None:
        """The output is over: read its last line, which nothing ended. A save in progress is over too."""
        self._read_all([self._lines.finish()], now)
        self._time_steps(now)
        self._note_save_ended(now)

    @property
    def news(self) -> tuple[object, ...]:
        """What nobody should learn a second late; cheaper than ``progress``."""
        return self._progress.phase, self._progress.errors, self._counting.counter

    def progress(self) -> Progress:
        """What has been seen so far."""
        self._settle()
        return structs.replace(
            self._progress,
            **self._counting.fields(),
            **self._losses.fields(),
            durations=self._times.histogram,
            median_step_seconds=self._times.median_seconds,
            position=self._lines.position,
        )

    # --- what a line says ---------------------------------------------------------------------------------
    def _read_all(self, lines: list[bytes], now: float, only: type[Event] | None = None) -> None:
        at = 0
        while (at := at + self._take_redraws(lines, at)) < len(lines):
            self._read(lines[at], now, only)
            at += 1

    def _read_unfinished(self, line: bytes, now: float) -> None:
        """A bar's line ends only when the bar is drawn again, but its step must be seen now.

        Not while it is being printed: what is read of it must not change with where the reads are cut.
        """
        if b"%" not in line or b"]" in line:
            self._read_all([line], now, only=Bar)

    def _take_redraws(self, lines: list[bytes], at: int) -> int:
        """Take in the lines from ``at`` on that only draw the counting bar again in the midst of training; how many."""
        count = self._counting.count
        if self._drawing is None or count is None or self._progress.phase is not Phase.TRAINING:
            return 0
        found = self._drawing.read(lines, at, count)
        if found.counts:
            self._new_steps += self._counting.redraw(found.first)
            self._new_steps += self._counting.redraw(found.newest, found.counts - 1)
            self._stats = found.stats
        return found.lines

    def _settle(self) -> None:
        """Read the loss of the newest redraw: those before it were finite, and are gone."""
        stats, self._stats = self._stats, b""
        if stats:
            self._note_loss(find_loss(stats.decode(errors="replace")), "")

    def _read(self, line: bytes, now: float, only: type[Event] | None) -> None:
        self._settle()
        text = clean(line)
        for event in read_line(text):
            if only is None or isinstance(event, only):
                self._apply(event, line, text, now)

    def _apply(self, event: Event, line: bytes, text: str, now: float) -> None:
        match event:
            case Bar():
                self._draw(event._replace(nested=line.endswith(b"\x1b[A")), line, text, now)
            case Loss(value):
                self._note_loss(value, text)
                self._live_on(now)
            case Header():
                self._counting.note(event)
            case EpochStarted():
                self._begin_epoch(event, now)
            case Saving():
                self._save(now)
            case Evaluating():
                self._pause(Phase.EVALUATING, now)
            case Caching():
                self._prepare(now)
            case Speaks(framework):
                self._know(framework)
            case Fault():
                self._note_fault(event)

    # --- bars ---------------------------------------------------------------------------------------------
    def _draw(self, bar: Bar, line: bytes, text: str, now: float) -> None:
        if self._of_another_rank(bar):
            return
        bar = self._nest.place(bar, self._progress.framework)
        if not counts_steps(bar, self._counting.counter, self._counting.total) and not self._supersedes(bar):
            self._draw_other(bar, now)
            return
        self._count_by(bar.name)
        self._know(TORCH)
        first, loss = self._counting.count is None, self._losses.newest
        new = self._counting.draw(bar)
        self._new_steps += new
        self._nest.note(bar, new)
        self._note_loss(bar.loss, text)
        self._see_phase(first=first, news=bool(new) or self._losses.newest != loss, new=new, now=now)
        if self._drawing is None or self._drawing.pattern.fullmatch(line) is None:
            self._drawing = drawing_of(line, bar)

    def _see_phase(self, *, first: bool, news: bool, new: int, now: float) -> None:
        """What the counting bar's drawing says of the phase: see above."""
        told_in_words = self._progress.framework == KOHYA
        if self._counting.full and not told_in_words:
            if new:
                self._pause(Phase.EVALUATING, now)
        elif (news and self._counting.steps_done) or (self._counting.counter == STEPS and (first or news)):
            self._enter(Phase.TRAINING, now)

    def _of_another_rank(self, bar: Bar) -> bool:
        if bar.rank is None:
            return False
        self._rank = bar.rank if self._rank is None else min(self._rank, bar.rank)
        return bar.rank > self._rank

    def _supersedes(self, bar: Bar) -> bool:
        """Whether ``bar`` is the training's, and the one that counted so far was of something done before it.

        Neither has a name. One that is full, shows no loss and is shorter prepared something, but Hugging Face's.
        """
        counting = self._counting
        if bar.name != UNNAMED or counting.counter not in (UNNAMED, INNER) or bar.nested:
            return False
        longer = counting.max_steps is not None and bar.total > counting.max_steps
        prepared = counting.full and longer and self._losses.newest is None and self._progress.framework != HF
        alone = counting.counter == INNER and self._nest.moves_alone
        if not (prepared or alone):
            return False
        self._begin_count(UNNAMED)
        if alone:
            self._nest.end(bar)
        return True

    def _draw_other(self, bar: Bar, now: float) -> None:
        name = bar.name.lower()
        for begin, framework in _BARS_OF.items():
            if name.startswith(begin):
                self._know(framework)
        if name.startswith(_SAVING):
            self._save(now)
        elif evaluates(bar):
            self._pause(Phase.EVALUATING, now)
        elif self._counting.count is None:
            if not name.startswith("loading") and name != EPOCHS:
                self._prepare(now)
        elif {bar.name, self._counting.counter} <= {UNNAMED, INNER} and not self._nest.idle:
            self._pause(Phase.EVALUATING, now)

    def _know(self, framework: str) -> None:
        if framework == KOHYA:
            self._count_by(STEPS)
        if self._progress.framework in ("", TORCH) and framework != self._progress.framework:
            self._update(framework=framework)

    def _count_by(self, counter: str) -> None:
        if self._counting.counter != counter:
            self._begin_count(counter)

    def _begin_count(self, counter: str) -> None:
        self._counting.begin(counter)
        self._update(last_step_at=None)
        self._times = StepTimes()
        self._new_steps, self._drawing = 0, None

    # --- phases -------------------------------------------------------------------------------------------
    def _update(self, **changes: Any) -> None:
        self._progress = structs.replace(self._progress, **changes)

    def _enter(self, phase: Phase, now: float) -> None:
        if self._progress.phase is not phase:
            self._note_save_ended(now)
            self._update(phase=phase, phase_since=now)

    def _note_save_ended(self, now: float) -> None:
        if self._progress.phase is Phase.CHECKPOINTING:
            self._update(last_save_seconds=max(0.0, now - self._progress.phase_since))

    def _prepare(self, now: float) -> None:
        if self._progress.phase is Phase.STARTING:
            self._enter(Phase.CACHING, now)

    def _live_on(self, now: float) -> None:
        """A trainer whose bar is switched off tells losses and no steps: it lives, and is in no phase for long."""
        if self._counting.count is None:
            self._enter(Phase.STARTING, now)
            self._update(phase_since=now)

    def _begin_epoch(self, epoch: EpochStarted, now: float) -> None:
        if self._counting.counter == EPOCH:  # that bar's name tells the epoch
            return
        self._counting.note(Header(max_epochs=epoch.of))
        self._counting.epoch = epoch.number
        if self._counting.count is not None:
            self._enter(Phase.TRAINING, now)

    def _save(self, now: float) -> None:
        """One save prints several lines: it is counted when the phase begins."""
        if self._progress.phase is not Phase.CHECKPOINTING:
            self._update(saves=self._progress.saves + 1)
        self._pause(Phase.CHECKPOINTING, now)

    def _pause(self, phase: Phase, now: float) -> None:
        """Something other than steps begins."""
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

    # --- what goes wrong ----------------------------------------------------------------------------------
    def _note_loss(self, loss: float | None, line: str) -> None:
        if loss is not None and self._losses.note(loss, self._counting.count):
            self._note_fault(Fault(ErrorKind.NAN_LOSS, shorten(line)))

    def _note_fault(self, fault: Fault) -> None:
        if fault.consequence:
            return
        errors = self._progress.errors
        kind = fault.kind.value
        self._update(errors={**errors, kind: errors.get(kind, 0) + 1}, last_error=fault.text)
