"""A metric family of ``names`` with its samples: what collectors and the receiver yield, and ``textformat`` writes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trainwarden.names import Family

Samples = Iterable[tuple[Sequence[str], float | None]]
"""Label values, in the family's order, and the value."""


class Buckets(NamedTuple):
    """One series of a histogram."""

    bounds: Sequence[float]
    """Upper bounds, without the last, which is +Inf."""
    counts: Sequence[int]
    """Per bucket, not cumulative; one more than there are bounds."""
    sum: float


class Series(NamedTuple):
    """One family and its samples, floats as ``build`` makes them; ``histograms`` instead where the family is one."""

    family: Family
    samples: Sequence[tuple[Sequence[str], float]] = ()
    histograms: Sequence[tuple[Sequence[str], Buckets]] = ()


def build(family: Family, samples: Samples) -> Series:
    """A gauge or counter with its values; a value that is None stays absent, for 0 would be a claim."""
    return Series(family, [(labels, float(value)) for labels, value in samples if value is not None])
