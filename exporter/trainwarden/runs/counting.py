"""Where a run stands, from a bar that restarts at 0 with every launch, or with every epoch.

A run's step is the checkpoint's step plus the steps of this generation. kohya's bar begins at 0 after a resume while
its total stays that of the whole run, so a run that resumed after 2 of 6 epochs of 10 steps ends at ``40/60``, step
60. Hugging Face's bar begins at 0 too, and jumps over the checkpoint's steps with its first one: ``21/45`` after a
checkpoint of 20 is one new step. Lightning's bar counts the batches of one epoch and begins anew with the next; where
it accumulates gradients, batches are what is counted, since nothing printed tells the steps.
"""

from math import ceil
from typing import Any

from trainwarden.model import Progress
from trainwarden.runs.bars import EPOCH, INNER, STEPS, UNNAMED, Bar
from trainwarden.runs.events import Header

_OF_EPOCHS = (EPOCH, INNER)
"""Bars that count the batches of one epoch from the first on."""
_LAG = 2
"""Steps that the bars of a run's ranks, drawn one over the other, are at most apart."""
_OFTEN = 4
"""Drawings of an epoch's bar from which it is expected to be drawn on its way the next time too."""


class Counting:
    """The steps of one generation. What a former follower of it stored can be gone on from.

    ``resumed_epochs`` is how many epochs the checkpoint holds that the generation resumed from, ``base_step`` how many
    steps, where that is known.
    """

    def __init__(self, progress: Progress, resumed_epochs: int | None = None, base_step: int | None = None) -> None:
        self._resumed_epochs = resumed_epochs
        self._base_step = base_step
        self._max_steps = None if progress.counter in _OF_EPOCHS else progress.max_steps
        self.epoch = progress.epoch
        self.max_epochs = progress.max_epochs
        self.batches_per_epoch = progress.batches_per_epoch
        self.accumulation = progress.accumulation
        self.counter = progress.counter
        """The name of the bar that counts."""
        self.count = progress.count
        """What it last said."""
        self.steps_done = progress.steps_done
        self.total = self.batches_per_epoch if self._max_steps is None else self._max_steps
        """What the bar counts to. kohya's own may be less than the steps of the run, after a resume."""
        first = self._first_step
        self._own = (progress.count or 0) if progress.step is None or first is None else progress.step - first
        """Steps of this generation as the bar tells them."""
        self._drawn = 0
        """How often the bar said something new since it began."""
        self._usual = 0
        """How often it did so the time before."""

    def fields(self) -> dict[str, Any]:
        """What ``model.Progress`` says of it, by its names."""
        return {
            "step": self.step,
            "max_steps": self.max_steps,
            "epoch": self.epoch,
            "max_epochs": self.max_epochs,
            "batches_per_epoch": self.batches_per_epoch,
            "accumulation": self.accumulation,
            "counter": self.counter,
            "count": self.count,
            "steps_done": self.steps_done,
        }

    @property
    def step(self) -> int | None:
        """The run's step; None before the first drawing, and while the header does not tell where it began."""
        first = self._first_step
        return None if self.count is None or first is None else first + self._own

    @property
    def max_steps(self) -> int | None:
        """Steps of the whole run, as far as it is known."""
        if self.counter not in _OF_EPOCHS:
            return self._max_steps
        return self.max_epochs * self.batches_per_epoch if self.max_epochs and self.batches_per_epoch else None

    @property
    def full(self) -> bool:
        """Whether the counting bar has nothing left to count."""
        return self.count is not None and self.total is not None and self.count >= self.total

    @property
    def steps_per_epoch(self) -> int | None:
        """Optimisation steps of one epoch, as kohya computes them; None before its header said enough."""
        total, epochs = self.max_steps, self.max_epochs
        if total and epochs and total % epochs == 0:
            return total // epochs
        # max_train_steps is no multiple of an epoch: the last one is cut short.
        batches, accumulation = self.batches_per_epoch, self.accumulation
        return ceil(batches / accumulation) if batches and accumulation else None

    @property
    def _first_step(self) -> int | None:
        """The run's step when this generation began; None while it cannot be told."""
        if self._base_step is not None or not self._resumed_epochs:
            return self._base_step or 0
        per_epoch = self.steps_per_epoch
        return None if per_epoch is None else self._resumed_epochs * per_epoch

    def note(self, header: Header) -> None:
        """Take over what a line of the header says."""
        for name, said in header._asdict().items():
            if said is not None:
                setattr(self, "_max_steps" if name == "max_steps" else name, said)

    def begin(self, counter: str) -> None:
        """The bar ``counter`` counts the steps from now on, instead of a less sure one if there was one."""
        if self.counter is not None:
            self._max_steps = self.batches_per_epoch = self.total = None
        self.counter, self.count, self._own, self.steps_done = counter, None, 0, 0
        self._drawn = self._usual = 0

    def draw(self, bar: Bar) -> int:
        """The counting bar was drawn: how many steps are new. A redraw brings none."""
        if self._of_an_earlier_epoch(bar):
            return 0
        begun_anew = self._begins_anew(bar)
        self._note_totals(bar, begun_anew)
        if self.count is None:
            self._own = self._skipped(bar)
            self.count = bar.n
            return 0
        if begun_anew:
            return self._restart(bar.n)
        return self.redraw(bar.n)

    def redraw(self, n: int, drawn: int = 1) -> int:
        """The counting bar went on to ``n``, in so many drawings: how many steps are new."""
        assert self.count is not None
        new = n - self.count
        if new <= 0 or self._of_another_rank(n):
            return 0
        if self.count == 0 and self.counter == UNNAMED and self._base_step and self._own == 0:
            new = n - self._base_step if n > self._base_step else n
        return self._take(n, new, drawn)

    def _restart(self, n: int) -> int:
        self._usual, self._drawn = self._drawn, 0
        if self.counter == STEPS:
            self._own = 0
        return self._take(n, n)

    def _take(self, n: int, new: int, drawn: int = 1) -> int:
        self.count = n
        self._own += new
        self.steps_done += new
        self._drawn += drawn
        return new

    def _skipped(self, bar: Bar) -> int:
        """Steps of this generation that were taken before the first drawing that is seen, as far as it tells them."""
        if bar.name == EPOCH and bar.epoch and self._base_step is None and not self._resumed_epochs:
            return (bar.epoch - 1) * bar.total + bar.n
        if bar.name == UNNAMED and self._base_step and bar.n > self._base_step:
            return bar.n - self._base_step
        return bar.n

    def _begins_anew(self, bar: Bar) -> bool:
        """The next epoch's bar, or a launcher that restarted its workers; not a rank that is a little behind."""
        if self.count is None:
            return False
        if bar.epoch is not None and bar.epoch != self.epoch:
            return True
        return bar.n * 2 < self.count and (self.count > _LAG or self.full)

    def _of_an_earlier_epoch(self, bar: Bar) -> bool:
        """Whether a rank is still in the epoch before; a launcher that restarted its workers begins at 0."""
        return bar.epoch is not None and self.count is not None and bar.n > 0 and bar.epoch < (self.epoch or 0)

    def _of_another_rank(self, n: int) -> bool:
        """Whether a rank is at the end of the epoch that this bar has left: full at once, which is not its way."""
        begun = self.count is not None and self.count <= _LAG < n - self.count
        return begun and n == self.total and self._usual >= _OFTEN > self._drawn

    def _note_totals(self, bar: Bar, begun_anew: bool) -> None:
        self.total = bar.total
        self.max_epochs = bar.max_epochs or self.max_epochs
        self.epoch = bar.epoch or self.epoch
        if bar.name in _OF_EPOCHS:
            self.batches_per_epoch = bar.total
        elif bar.name == STEPS:
            self._max_steps = self._max_steps or bar.total
        elif begun_anew:  # it counts an epoch
            self.batches_per_epoch, self._max_steps = bar.total, None
        elif self.batches_per_epoch is None:
            self._max_steps = bar.total
