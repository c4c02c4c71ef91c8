"""Which alerts stand at each minute of a recorded night: asked of promtool, and held against promtool."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.nights import recording
from tests.nights.told import SCRAPE_SECONDS
from tests.rules import promtool, shipped
from tests.rules.promtool import Stands
from tests.rules.story import Sample

GOLDEN = recording.FOLDER / "alerts.yml"

_GOT = re.compile(r"time: (\w+),\n.*\n\s*got: *(.*)")
_ALERT = re.compile(r"\{([^}]*)\} 1E\+00")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_HOURS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

Labels = frozenset[tuple[str, str]]


def table() -> dict[str, list[Stands]]:
    """The golden table: what stands in each night, from which minute and until which."""
    return {name: [_stands(row) for row in rows] for name, rows in yaml.safe_load(GOLDEN.read_text()).items()}


def write(found: Mapping[str, Sequence[Stands]]) -> None:
    """Write the golden table."""
    rows = {name: [_row(one) for one in of_night] for name, of_night in found.items()}
    GOLDEN.write_text(yaml.safe_dump(rows, sort_keys=False, width=200, default_flow_style=None))


def hold(program: Path, folder: Path, name: str, expected: Sequence[Stands]) -> None:
    """Fail with promtool's own words unless exactly these stand, each at every minute but its last before a change.

    In that one Prometheus 3 may be ahead: its windows leave their left edge out, and hold a point less.
    """
    series = recording.replayed(recording.read(name))
    changing = {edge: {one.alert for one in expected if edge in (one.since, one.until)} for edge in _edges(expected)}
    questions = [
        promtool.standing(minute, promtool.at(expected, minute), changing.get(minute + 1, ()))
        for minute in range(_minutes(series) + 1)
    ]
    failed = promtool.run_series(program, folder, _test(series, questions), shipped.FILES, SCRAPE_SECONDS)
    assert failed is None, failed


def _edges(expected: Sequence[Stands]) -> set[float]:
    return {edge for one in expected for edge in (one.since, one.until) if edge is not None}


def standing(program: Path, folder: Path, name: str) -> list[Stands]:
    """What stands, minute by minute: promtool is told that nothing does, and says what it found instead."""
    series = recording.replayed(recording.read(name))
    minutes = _minutes(series)
    questions = [promtool.standing(minute, []) for minute in range(minutes + 1)]
    said = promtool.run_series(program, folder, _test(series, questions), shipped.FILES, SCRAPE_SECONDS) or ""
    found = {
        _minute(at): {frozenset(_LABEL.findall(one)) for one in _ALERT.findall(got)} for at, got in _GOT.findall(said)
    }
    assert found or not said, said
    return _ranges([found.get(minute, set()) for minute in range(minutes + 1)])


def _test(series: Mapping[str, Sequence[Sample]], questions: list[dict[str, Any]]) -> dict[str, Any]:
    of_night = {"interval": f"{SCRAPE_SECONDS}s", "input_series": promtool.notation(series)}
    return {**of_night, "promql_expr_test": questions}


def _minutes(series: Mapping[str, Sequence[Sample]]) -> int:
    return (max(map(len, series.values())) - 1) * SCRAPE_SECONDS // 60


def _minute(said: str) -> int:
    """`1h2m` is 62, and `0s` is 0."""
    found = _HOURS.fullmatch(said)
    assert found, said
    hours, minutes, _ = (int(part or 0) for part in found.groups())
    return hours * 60 + minutes


def _ranges(minutes: Sequence[set[Labels]]) -> list[Stands]:
    found = []
    for labels in sorted({one for minute in minutes for one in minute}, key=sorted):
        edges = [at for at, now in enumerate(minutes) if (labels in now) != (at > 0 and labels in minutes[at - 1])]
        found += [_labelled(labels, edge, until) for edge, until in _pairs(edges)]
    return sorted(found, key=lambda one: one[2:3] + one[:2])


def _pairs(edges: Sequence[int]) -> Iterable[tuple[int, int | None]]:
    return zip(edges[::2], [*edges[1::2], None][: len(edges[::2])], strict=True)


def _labelled(labels: Labels, since: float, until: float | None) -> Stands:
    of = dict(sorted(labels))
    return Stands(of.pop("alertname"), of.pop("severity"), since, until, tuple(of.items()))


def _row(one: Stands) -> dict[str, Any]:
    row = {**one._asdict(), "labels": dict(one.labels)}
    return {key: value for key, value in row.items() if value not in (None, {})}


def _stands(row: dict[str, Any]) -> Stands:
    return Stands(**{**row, "labels": tuple(row.get("labels", {}).items())})
