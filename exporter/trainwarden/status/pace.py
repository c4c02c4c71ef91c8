"""How long a step takes now: while somebody watches, the mean of the last minutes, as the alert for slow steps has."""

from collections import deque
from typing import NamedTuple

from trainwarden.collectors import runs

WINDOW_SECONDS = 600.0
LEAST_SECONDS = 60.0
"""Watched for less, a run is told by its median: a few steps are no pace."""


class _Seen(NamedTuple):
    at: float
    """Unix seconds."""
    generation: int
    seconds: float
    steps: int
    """All of this generation's so far."""


class Paces:
    """What the looks of the last ten minutes saw of each run's steps."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[_Seen]] = {}

    def look(self, every: tuple[runs.Run, ...], now: float) -> None:
        """Remember where each run is."""
        self._seen = {run.name: _since(self._seen.get(run.name, deque()), run, now) for run in every}

    def step_seconds(self, run: runs.Run) -> float | None:
        """The mean of what was watched; else the median of the run's newest 512 steps; None where it has taken none."""
        seen = self._seen.get(run.name)
        if seen and seen[-1].at - seen[0].at >= LEAST_SECONDS and seen[-1].steps > seen[0].steps:
            return (seen[-1].seconds - seen[0].seconds) / (seen[-1].steps - seen[0].steps)
        return run.progress.median_step_seconds if run.progress else None


def _since(seen: deque[_Seen], run: runs.Run, now: float) -> deque[_Seen]:
    """What is still of use, and where the run is now. A new launch, or a writer that began anew, counts from 0."""
    durations = run.progress.durations if run.progress else None
    if durations is None:
        return deque()
    here = _Seen(now, run.generation, durations.sum, sum(durations.counts))
    kept = (one for one in seen if one.generation == here.generation and one.steps <= here.steps)
    return deque([*(one for one in kept if now - one.at <= WINDOW_SECONDS), here])
