"""No rule and no dashboard holds a second literal of a guide number: they compare with the exported thresholds."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.grafana import board as boards
from tests.rules import shipped
from trainwarden import guide

_NUMBER = r"(-?\d+(?:\.\d+)?(?:e\d+)?)(?:\s*\*\s*(-?\d+(?:\.\d+)?))?"
COMPARED = re.compile(rf"(?:==|!=|>=|<=|>|<)\s*(?:bool\s+)?{_NUMBER}(?![\w.\[])|(?<![\w.]){_NUMBER}\s*(?:>=|<=|>|<)")
GUIDE = {t.value for t in (*guide.MACHINE, *guide.RUN)} | {
    in_force.value for profile in guide.PROFILES for in_force in guide.run_thresholds(profile).values()
}
TRUTH = {0.0, 1.0}
"""Compared with these, an expression asks whether and not how much, though the guide allows no foreign process too."""
SHARE_OF_TIME = re.compile(r"avg_over_time\(trainwarden_run_phase\{[^}]*\}\[\d+m\]\)\s*(?:>=|>)\s*0\.\d+")
"""A run was in a phase for so much of the window: no signal of the guide, though the share may read like one."""


SAMPLES = re.compile(r"(?:count_over_time|changes)\([^()]*(?:\{[^}]*\})?\[[^]]*\]\)\s*>=?\s*\d+")
"""There are so many samples in the window: enough to conclude anything from."""


def literals(expression: str) -> set[float]:
    """Every number that something is compared with, but for truths."""
    found = COMPARED.findall(SAMPLES.sub("", SHARE_OF_TIME.sub("", expression)))
    parts = [[float(part) for part in match if part] for match in found]
    return {number for match in parts for number in (*match, match[0] * match[-1])} - TRUTH


def steps(node: Any) -> Iterator[float]:
    """The numbers at which a panel changes its colour."""
    if isinstance(node, dict):
        for step in (node.get("thresholds") or {}).get("steps", []) if isinstance(node.get("thresholds"), dict) else []:
            if step.get("value") is not None:
                yield float(step["value"])
        for inner in node.values():
            yield from steps(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from steps(inner)


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule.get("alert") or rule["record"]) for rule in shipped.rules()]
)
def test_a_rule_compares_with_the_threshold_series(rule: dict[str, Any]) -> None:
    assert literals(rule["expr"]) & GUIDE == set()


@pytest.mark.parametrize("path", boards.DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_draws_the_threshold_series(path: Any) -> None:
    board = boards.load(path)
    assert {number for asked in boards.asked(board) for number in literals(asked.expression)} & GUIDE == set()
    assert set(steps(board)) & GUIDE == set()


@pytest.mark.parametrize(
    "expression",
    ["x > 0.85", "x / y >= bool 0.05", "4294967296 > x", "avg_over_time(x[2m]) < 4 * 1073741824", "time() - x > 1800"],
)
def test_a_second_literal_would_be_seen(expression: str) -> None:
    assert literals(expression) & GUIDE
