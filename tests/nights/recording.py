"""A night as OpenMetrics text, as it would be backfilled into Prometheus, and back into what Prometheus saw.

Readings of a card and of RAM are never quite the same twice: they get a grain, fixed by series and time, so that the
same night is the same file.
"""

import gzip
import random
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.nights.told import BEGINS, SCRAPE_SECONDS, Told
from tests.rules.story import Sample, columns
from trainwarden import names

FOLDER = Path(__file__).resolve().parents[1] / "cases" / "nights"
GRAIN = {names.GPU_UTILIZATION.name: 0.01, names.GPU_MEMORY_USED.name: 0.003, names.HOST_MEMORY_AVAILABLE.name: 0.02}
"""By how large a share of itself a reading swings, at most."""

_SAMPLE = re.compile(r"(\S+?\{.*\}) (\S+) (\S+)\n")
_BEGINS = BEGINS.timestamp()


def path(name: str) -> Path:
    """The recorded night: OpenMetrics, compressed."""
    return FOLDER / f"{name}.om.gz"


def write(told: Told) -> None:
    """Record the night anew; the same night gives the same file."""
    path(told.name).write_bytes(gzip.compress(openmetrics(told).encode(), 9, mtime=0))


def read(name: str) -> str:
    """The recorded night's text."""
    return gzip.decompress(path(name).read_bytes()).decode()


def openmetrics(told: Told) -> str:
    """All series of the night, family by family, with real timestamps; what a scrape did not have is left out."""
    series = sorted(columns(told.night).items())
    return "".join(_families(series)) + "# EOF\n"


def _families(series: list[tuple[str, list[Sample]]]) -> Iterator[str]:
    for name, of_name in groupby(series, key=lambda one: one[0].partition("{")[0]):
        yield f"# TYPE {name.removesuffix('_total')} {'counter' if name.endswith('_total') else 'gauge'}\n"
        for labelled, samples in of_name:
            for tick, value in enumerate(samples):
                if isinstance(value, int | float):
                    at = tick * SCRAPE_SECONDS
                    yield f"{labelled} {_recorded(name, labelled, at, value):.15g} {_BEGINS + at:.0f}\n"


def _recorded(name: str, labelled: str, at: int, value: float) -> float:
    if name.endswith("_timestamp_seconds"):
        return round(_BEGINS + value, 3)
    if name in GRAIN:
        # An idle GPU stays at 0; a share is at most 1.
        swing = 1 + GRAIN[name] * random.Random(f"{labelled}{at}").uniform(-1, 1)
        return min(1.0, round(value * swing, 4)) if name.endswith("_ratio") else round(value * swing)
    return round(value, 3)


def replayed(text: str) -> dict[str, list[Sample]]:
    """Series by series what Prometheus saw, scrape by scrape; the clock begins at 0, as promtool's does.

    A series turns stale at the scrape that no longer has it, or that was missed.
    """
    found: dict[str, dict[int, float]] = {}
    for series, value, at in _SAMPLE.findall(text):
        found.setdefault(series, {})[int(at)] = float(value)
    times = sorted({at for samples in found.values() for at in samples})
    ticks = range(times[0], times[-1] + 1, SCRAPE_SECONDS)
    return {series: list(_column(series, samples, ticks)) for series, samples in found.items()}


def _column(series: str, samples: dict[int, float], ticks: range) -> Iterator[Sample]:
    since = ticks[0] if series.partition("{")[0].endswith("_timestamp_seconds") else 0
    there = False
    for at in ticks:
        if at in samples:
            yield round(samples[at] - since, 3)
        else:
            yield "stale" if there else None
        there = at in samples
