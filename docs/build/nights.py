"""``docs/nights.md``: whole nights, and which alerts stand at each of their minutes."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from tests.nights import replay
from tests.nights.told import BEGINS, NIGHTS, Told
from tests.rules.promtool import Stands, at

_TOP = """\
# Nights

<!-- Written by `make docs` (docs/build) from the nights and their golden table; a test fails when it drifts. -->

Five whole nights, replayed through the shipped rules: which alerts stand at each minute. Every minute of a night is in
exactly one row; `TrainwardenWatchdog`, which always stands, is left out. In the healthy nights nothing above info
stands.

A night is told in a few lines (`tests/nights/told.py`), recorded from them as OpenMetrics, a point a minute with the
names and labels that exporter and receiver have, and replayed by `promtool test rules`. The first minute in which an
alert stands is Prometheus 2.42's; 3.x may be a minute earlier at a change, and differs nowhere else. After a change of
the rules that is meant: `make golden docs`, then look at the difference.

To look at a night in Grafana, load it into an empty Prometheus:

```
gunzip --stdout tests/cases/nights/hang-at-three.om.gz > night.om
promtool tsdb create-blocks-from openmetrics night.om data
prometheus --storage.tsdb.path=data --storage.tsdb.retention.time=100y --config.file=/dev/null
```

Recording rules and alerts are not computed for what was loaded; the series themselves are all there.
"""

_SEVERITIES = ("critical", "warning", "info")
_HEAD = "| clock | minute | critical | warning | info |\n|---|---|---|---|---|\n"
_UNSAID = ("action", "run")
"""The same in every row."""


def page() -> str:
    """The whole page."""
    table = replay.table()
    sections = (_section(told, table[told.name]) for told in NIGHTS)
    named = sorted({one.alert for rows in table.values() for one in rows})
    links = "".join(f"[{alert}]: runbooks/{alert}.md\n" for alert in named)
    return "\n".join([_TOP, *sections, links])


def _section(told: Told, rows: Sequence[Stands]) -> str:
    recorded = f"[Recorded](../tests/cases/nights/{told.name}.om.gz)"
    return f"## {told.title}\n\n{told.story} {recorded}.\n\n{_HEAD}{''.join(_rows(told, rows))}"


def _rows(told: Told, rows: Sequence[Stands]) -> Iterator[str]:
    end = int(told.night.minutes) + 1
    edges = sorted({0, end, *(int(edge) for one in rows for edge in (one.since, one.until) if edge is not None)})
    for since, until in pairwise(edges):
        now = at(rows, since)
        cells = ["<br>".join(_said(one) for one in now if one.severity == severity) for severity in _SEVERITIES]
        clock = f"{_clock(since)}–{_clock(until - 1)}"
        yield f"| {' | '.join([clock, f'{since}–{until - 1}', *cells])} |\n"


def _said(one: Stands) -> str:
    about = ", ".join(f"{name} {value}" for name, value in one.labels if name not in _UNSAID)
    return f"[{one.alert}]{f' ({about})' if about else ''}"


def _clock(minute: int) -> str:
    return f"{BEGINS + timedelta(minutes=minute):%H:%M}"
