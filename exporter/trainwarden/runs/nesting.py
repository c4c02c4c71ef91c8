"""A bar over the epochs, and one over the batches below it: which of the two counts the steps.

A plain script draws both without a name (``for epoch in trange(9): for batch in tqdm(loader):``), and so does Hugging
Face's ``Trainer`` its bar of the run and, below that, those of evaluations. What moves first tells them apart: below a
bar that has not moved yet, a training's batches are counted. An evaluation before the first step looks the same; after
it the upper bar moves without the lower one, and counts from then on.
"""

from typing import NamedTuple

from trainwarden.runs.bars import EPOCHS, INNER, UNNAMED, Bar
from trainwarden.runs.counting import Counting
from trainwarden.runs.events import HF, Header

_ALONE = 2
"""So often the upper bar must move without the lower: that may have had too little to do to be drawn at all, once."""


class _Upper(NamedTuple):
    """The bar over the epochs as it was drawn last."""

    name: str
    n: int
    total: int


class Nest:
    """Tells the lower bar of a training from its upper one."""

    def __init__(self, counting: Counting) -> None:
        self._counting = counting
        self._upper: _Upper | None = None
        self._moved_alone = 0
        self.idle = False
        """Whether the drawing that was placed last is the upper bar's, and says nothing new."""

    def place(self, bar: Bar, framework: str) -> Bar:
        """The bar, named ``INNER`` where it is the lower one of a training."""
        self.idle = False
        if bar.name == EPOCHS or (bar.name == UNNAMED and self._counting.counter == INNER and not self._is_lower(bar)):
            self._see_upper(bar)
        elif bar.name == UNNAMED and framework != HF and self._is_lower(bar):
            self._begin_below()
            return bar._replace(name=INNER, nested=False)
        return bar

    @property
    def moves_alone(self) -> bool:
        """Whether the upper bar is the one that counts steps, after all."""
        return self._moved_alone >= _ALONE

    def note(self, bar: Bar, new: int) -> None:
        """The bar that counts was drawn, with so many new steps."""
        if not new or bar.name != INNER:
            return
        self._moved_alone = 0
        if self._upper is not None:
            self._counting.note(Header(max_epochs=self._upper.total))
            self._counting.epoch = min(self._upper.n + 1, self._upper.total)

    def end(self, upper: Bar) -> None:
        """The upper bar counts steps from its beginning on, and no epochs."""
        self._counting.epoch = self._counting.max_epochs = None
        self._counting.draw(upper._replace(n=0))

    def _is_lower(self, bar: Bar) -> bool:
        counting = self._counting
        if counting.counter == INNER:  # (a line that is still being written does not show yet that it is nested)
            return bar.nested or bar.total == counting.total
        return bar.nested and (counting.counter is None or (counting.counter == UNNAMED and counting.count == 0))

    def _begin_below(self) -> None:
        counting = self._counting
        if self._upper is None and counting.counter == UNNAMED and counting.total is not None:
            self._upper = _Upper(UNNAMED, counting.count or 0, counting.total)

    def _see_upper(self, bar: Bar) -> None:
        before, drawn = self._upper, _Upper(bar.name, bar.n, bar.total)
        if before is None or (before.name, before.total) == (drawn.name, drawn.total):
            self._upper = drawn
            self.idle = before is not None and drawn.n <= before.n
            self._moved_alone += before is not None and not self.idle
