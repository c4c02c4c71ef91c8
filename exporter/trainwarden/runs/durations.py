"""How long steps took: a histogram of all of them, and the median of the newest."""

from bisect import bisect_left
from collections import deque
from statistics import median

from trainwarden.model import STEP_BUCKETS, StepDurations

MEMORY = 512
"""Steps that the median remembers."""


class StepTimes:
    """Gathers durations. What a former follower gathered can be carried on."""

    def __init__(self, histogram: StepDurations | None = None, median_seconds: float | None = None) -> None:
        fits = histogram is not None and len(histogram.counts) == len(STEP_BUCKETS) + 1
        self._counts = list(histogram.counts) if histogram and fits else [0] * (len(STEP_BUCKETS) + 1)
        self._sum = histogram.sum if histogram and fits else 0.0
        # The single durations of a former follower are gone; its median stands for them until newer ones come.
        known = 0 if median_seconds is None else min(sum(self._counts), MEMORY)
        self._newest: deque[float] = deque([median_seconds or 0.0] * known, maxlen=MEMORY)

    def add(self, seconds: float, steps: int) -> None:
        """``steps`` steps appeared together, ``seconds`` after the one before them: they share the time."""
        each = seconds / steps
        self._counts[bisect_left(STEP_BUCKETS, each)] += steps
        self._sum += seconds
        self._newest.extend([each] * min(steps, MEMORY))

    @property
    def histogram(self) -> StepDurations:
        """All durations so far."""
        return StepDurations(list(self._counts), self._sum)

    @property
    def median_seconds(self) -> float | None:
        """The median of the newest durations; None before the first."""
        return median(self._newest) if self._newest else None
