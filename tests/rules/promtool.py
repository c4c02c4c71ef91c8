"""Writes `promtool test rules` files and runs them.

What is expected of a night is which alerts stand, and from which minute to which. Everything else is expected not to
stand. A minute of room is left at each edge: Prometheus 3 counts a window's left edge differently from 2.42.
"""

import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from tests.rules import shipped, texts
from tests.rules.story import Night, Sample, columns

IDENTITY = (
    *("alertname", "severity", "action", "run", "generation", "gpu", "phase", "reason", "collector"),
    *("kind", "xid", "integration", "rule_group", "remedy", "changes"),
)
"""What tells alerts apart in these tests; instance and job are the same everywhere."""


class Stands(NamedTuple):
    """One alert that is expected to stand."""

    alert: str
    severity: str
    since: float
    until: float | None = None
    """None: to the end of the night."""
    labels: tuple[tuple[str, str], ...] = ()


def stands(alert: str, severity: str, since: float, until: float | None = None, **labels: str) -> Stands:
    """An alert that stands between these minutes."""
    return Stands(alert, severity, since, until, tuple(labels.items()))


def check(promtool: Path, folder: Path, name: str, night: Night, expected: Sequence[Stands]) -> None:
    """Ask which alerts stand about every edge, which ever stood, and what they say; fails with promtool's own words."""
    now = [standing(minute, at(expected, minute)) for minute in _probes(night, expected)]
    questions = {"promql_expr_test": [*now, _ever(night, expected)], "alert_rule_test": texts.questions(name)}
    run(promtool, folder, night, shipped.FILES, **questions)


def run(promtool: Path, folder: Path, night: Night, rules: Iterable[Path], **questions: Any) -> None:
    """Write one test of the night and have promtool run it."""
    test = {"interval": f"{night.scrape_seconds}s", "input_series": notation(columns(night)), **questions}
    failed = run_series(promtool, folder, test, rules, night.evaluation_seconds or night.scrape_seconds)
    assert failed is None, failed


def run_series(
    promtool: Path, folder: Path, test: dict[str, Any], rules: Iterable[Path], evaluation_seconds: int
) -> str | None:
    """Have promtool run one test of these rules; what it says where that fails."""
    path = folder / "night.yml"
    document = {
        "rule_files": [str(file) for file in rules],
        "group_eval_order": shipped.GROUPS,
        "evaluation_interval": f"{evaluation_seconds}s",
        "tests": [test],
    }
    path.write_text(json.dumps(document))
    done = subprocess.run([promtool, "test", "rules", path], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else None


def notation(series: Mapping[str, Sequence[Sample]]) -> list[dict[str, str]]:
    """Series in promtool's notation."""
    return [{"series": one, "values": _notation(values)} for one, values in sorted(series.items())]


def _notation(values: Sequence[Sample]) -> str:
    return " ".join(word for value, run in groupby(values) for word in _words(value, len(list(run))))


def _words(value: Sample, times: int) -> Iterator[str]:
    if value is None:
        yield f"_x{times}"
    elif value == "stale":
        yield from ["stale"] * times
    else:
        yield f"{value!r}+0x{times - 1}" if times > 1 else repr(value)


def _probes(night: Night, expected: Sequence[Stands]) -> list[float]:
    """A minute before and after each edge, and every minute between, so that none is missed that comes and goes."""
    edges = {edge for one in expected for edge in (one.since, one.until) if edge is not None}
    beside = {minute for edge in edges for minute in (edge - 1, edge + 1) if 0 <= minute <= night.minutes}
    every = range(int(night.minutes) + 1) if edges else ()
    return sorted(minute for minute in {*beside, *every} if all(abs(minute - edge) >= 1 for edge in edges))


def at(expected: Sequence[Stands], minute: float) -> list[Stands]:
    """What stands at that minute."""
    return [one for one in expected if one.since <= minute and (one.until is None or minute < one.until)]


def standing(minute: float, expected: Sequence[Stands], unasked: Iterable[str] = ()) -> dict[str, Any]:
    """The question which alerts stand at that minute, but those that are not asked about, and what is expected."""
    left_out = sorted({"TrainwardenWatchdog", *unasked})
    alerts = f'ALERTS{{alertstate="firing", alertname!~"{"|".join(left_out)}"}}'
    asked = [one for one in expected if one.alert not in left_out]
    return _question(f"group by ({','.join(IDENTITY)}) ({alerts})", minute, asked)


def _ever(night: Night, expected: Sequence[Stands]) -> dict[str, Any]:
    alerts = f'ALERTS{{alertstate="firing", alertname!="TrainwardenWatchdog"}}[{int(night.minutes) + 1}m]'
    return _question(f"group by ({','.join(IDENTITY)}) (count_over_time({alerts}))", night.minutes, expected)


def _question(expression: str, minute: float, expected: Sequence[Stands]) -> dict[str, Any]:
    samples = [{"labels": _labels(one), "value": 1} for one in sorted({one[:2] + one[4:] for one in expected})]
    return {"expr": expression, "eval_time": f"{round(minute * 60)}s", "exp_samples": samples}


def _labels(one: tuple[Any, ...]) -> str:
    alert, severity, labels = one
    pairs = {"alertname": alert, "severity": severity, **dict(labels)}
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs.items()) + "}"
