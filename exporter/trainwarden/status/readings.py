"""The exporter's series, looked up by family and labels."""

from collections.abc import Iterable, Sequence

from trainwarden import names
from trainwarden.names import Family
from trainwarden.series import Series

Labels = tuple[str, ...]
"""The values, in the family's order."""


class Readings:
    """One look's series. What is not there is None, or empty."""

    def __init__(self, every: Iterable[Series]) -> None:
        self._found = {series.family: {tuple(at): value for at, value in series.samples} for series in every}

    def of(self, family: Family) -> dict[Labels, float]:
        """Every sample of the family, by its labels' values."""
        return self._found.get(family, {})

    def value(self, family: Family, *labels: str) -> float | None:
        """One sample."""
        return self.of(family).get(labels)

    def limits(self, signal: str) -> dict[str, float]:
        """The machine's thresholds for the signal, by level, as they are exported."""
        return _below((signal,), self.of(names.THRESHOLD))

    def run_limits(self, run: str, signal: str) -> dict[str, float]:
        """The run's."""
        return _below((run, signal), self.of(names.RUN_THRESHOLD))


def _below(prefix: Sequence[str], samples: dict[Labels, float]) -> dict[str, float]:
    begin = tuple(prefix)
    return {level: value for (*before, level), value in samples.items() if tuple(before) == begin}
