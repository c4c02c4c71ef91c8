"""Asks the shipped rules which alerts fire in a night, and when: nothing is expected, and promtool says what it got."""

import re
from pathlib import Path
from typing import NamedTuple

from tests.rules import promtool as writing
from tests.rules import shipped
from tests.rules.story import Night

_ALERTS = """group by (alertname, action, severity, run, generation) (
    ALERTS{alertstate="firing", alertname!="TrainwardenWatchdog"})"""
_GOT = re.compile(r"time: (\S+), *\n *exp: .*\n *got: (.*)")
_LABELS = re.compile(r"\{([^}]*)\}")
_PAIR = re.compile(r'(\w+)="([^"]*)"')
_TIME = re.compile(r"(\d+)([hms])")
_SECONDS = {"h": 3600, "m": 60, "s": 1}


class Firing(NamedTuple):
    """An alert that fires at a moment."""

    alert: str
    severity: str
    restarts: bool
    """Whether it goes to the receiver (``action: restart``)."""
    run: str
    generation: int
    """0 where it names none."""


def firing(promtool: Path, folder: Path, night: Night) -> dict[int, list[Firing]]:
    """What fires at every evaluation, by the second of the night; moments at which nothing does are not there."""
    every = night.evaluation_seconds or night.scrape_seconds
    moments = range(0, int(night.minutes * 60) + 1, every)
    questions = [{"expr": _ALERTS, "eval_time": f"{second}s", "exp_samples": []} for second in moments]
    try:
        writing.run(promtool, folder, night, shipped.FILES, promql_expr_test=questions)
    except AssertionError as failed:
        found = {_seconds(at): [_alert(labels) for labels in _LABELS.findall(got)] for at, got in _answers(failed)}
        if not found:
            raise
        return found
    return {}


def _answers(failed: AssertionError) -> list[tuple[str, str]]:
    return _GOT.findall(str(failed))


def _seconds(text: str) -> int:
    return sum(int(number) * _SECONDS[unit] for number, unit in _TIME.findall(text))


def _alert(labels: str) -> Firing:
    said = dict(_PAIR.findall(labels))
    return Firing(
        alert=said["alertname"],
        severity=said.get("severity", ""),
        restarts=said.get("action") == "restart",
        run=said.get("run", ""),
        generation=int(said.get("generation", 0)),
    )
