"""Series → the text that Prometheus reads: its own format 0.0.4, or OpenMetrics 1.0.

Written here and not taken from prometheus_client: that library costs every scrape more than the readings themselves,
and the exporter more memory than all else. The tests read what is written back with that library's parsers.

What stands before a value is the same from scrape to scrape, so its text is kept; the values alone are written anew,
and those of a family in which none has changed not even that.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from math import isfinite

from trainwarden.names import Family
from trainwarden.series import Series

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_KEPT = 4096
"""Label sets of one family whose text is kept."""
_ODD = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
"""Numbers that Python writes differently."""


def write(every: Iterable[Series], content_type: str = TEXT) -> bytes:
    """All of it, in the format of ``content_type``."""
    openmetrics = content_type == OPENMETRICS
    parts: list[str] = []
    for series in every:
        parts.append(_head(series.family, openmetrics))
        parts.append(_samples(series) if series.samples else "".join(_histograms(series)))
    if openmetrics:
        parts.append("# EOF\n")
    return "".join(parts).encode()


@cache  # there are as many families as names.py has
def _head(family: Family, openmetrics: bool) -> str:
    name = family.name
    if openmetrics and family.kind == "counter":
        name = name.removesuffix("_total")
    said = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        said = said.replace('"', '\\"')
    return f"# HELP {name} {said}\n# TYPE {name} {family.kind}\n"


_written: dict[Family, tuple[Sequence[tuple[Sequence[str], float]], str]] = {}
"""The samples of each family as they were last written, and their text."""


def _samples(series: Series) -> str:
    last, text = _written.get(series.family, ((), ""))
    # Most values are what they were a scrape ago, and to find that costs a tenth of writing them.
    if last is not series.samples and last != series.samples:
        text = "".join(_lines(series))
        _written[series.family] = series.samples, text
    return text


def _lines(series: Series) -> list[str]:
    befores = _befores(series.family.name, series.family.labels)
    return [
        f"{befores[tuple(labels)]}{value!r}\n" if isfinite(value) else f"{befores[tuple(labels)]}{_number(value)}\n"
        for labels, value in series.samples
    ]


def _histograms(series: Series) -> Iterator[str]:
    name, labels = series.family.name, series.family.labels
    in_bucket = _befores(f"{name}_bucket", (*labels, "le"))
    for values, buckets in series.histograms:
        totals = list(accumulate(buckets.counts))
        own = tuple(values)
        for bound, count in zip((*map(_number, buckets.bounds), "+Inf"), totals, strict=True):
            key = (*own, bound)
            yield f"{in_bucket[key]}{count}\n"
        yield f"{_befores(f'{name}_sum', labels)[own]}{_number(buckets.sum)}\n"
        yield f"{_befores(f'{name}_count', labels)[own]}{totals[-1]}\n"


class _Befores(dict[tuple[str, ...], str]):
    """What stands before the value, by the values of the labels: a look-up, and written only where that misses."""

    def __init__(self, name: str, labels: tuple[str, ...]) -> None:
        super().__init__()
        self._name = name
        self._labels = labels

    def __missing__(self, values: tuple[str, ...]) -> str:
        if len(self) >= _KEPT:  # runs come and go for weeks
            self.clear()
        pairs = (f'{label}="{_escape(value)}"' for label, value in zip(self._labels, values, strict=True))
        before = f"{self._name}{{{','.join(pairs)}}} " if self._labels else f"{self._name} "
        self[values] = before
        return before


_befores = lru_cache(maxsize=None)(_Befores)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    text = repr(float(value))
    return _ODD.get(text, text)
