"""Series → the text that Prometheus reads: its own format 0.0.4, or OpenMetrics 1.0 where that is asked for.

Written here and not taken from prometheus_client: that library costs every scrape more than the readings themselves,
and the exporter more memory than all else. The tests read what is written back with that library's parsers.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from trainwarden.names import Family
from trainwarden.series import Buckets, Series

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_REMEMBERED = 8192
"""Label sets whose text is kept from scrape to scrape."""


def negotiate(accept: str) -> str:
    """The content type to answer with, for an Accept header."""
    return OPENMETRICS if "application/openmetrics-text" in accept else TEXT


def write(every: Iterable[Series], content_type: str = TEXT) -> bytes:
    """All of it, in the format that ``negotiate`` chose."""
    openmetrics = content_type == OPENMETRICS
    lines = [line for series in every for line in _lines(series, openmetrics)]
    if openmetrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def _lines(series: Series, openmetrics: bool) -> Iterator[str]:
    family = series.family
    yield _head(family, openmetrics)
    for labels, value in series.samples:
        yield f"{family.name}{_labels(family.labels, tuple(labels))} {_number(value)}\n"
    for labels, buckets in series.histograms:
        yield from _histogram(family, tuple(labels), buckets)


@lru_cache
def _head(family: Family, openmetrics: bool) -> str:
    name = family.name
    if openmetrics and family.kind == "counter":
        name = name.removesuffix("_total")
    said = family.help.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        said = said.replace('"', '\\"')
    return f"# HELP {name} {said}\n# TYPE {name} {family.kind}\n"


def _histogram(family: Family, labels: Sequence[str], buckets: Buckets) -> Iterator[str]:
    names = (*family.labels, "le")
    *below, total = accumulate(buckets.counts)
    for bound, count in zip(buckets.bounds, below, strict=True):
        yield f"{family.name}_bucket{_labels(names, (*labels, _number(bound)))} {count}\n"
    yield f"{family.name}_bucket{_labels(names, (*labels, '+Inf'))} {total}\n"
    text = _labels(family.labels, tuple(labels))
    yield f"{family.name}_sum{text} {_number(buckets.sum)}\n{family.name}_count{text} {total}\n"


@lru_cache(maxsize=_REMEMBERED)
def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    if not names:
        return ""
    pairs = (f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
