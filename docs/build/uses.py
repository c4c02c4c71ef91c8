"""Which alerts and which dashboard panels ask for a metric family."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from trainwarden.names import Family

REPOSITORY = Path(__file__).resolve().parents[2]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Question(NamedTuple):
    """An alert or a panel, and every metric name in what it asks."""

    who: str
    names: frozenset[str]


def alerts(family: Family) -> list[str]:
    """The alerts whose expression, or whose text, needs it; through recording rules as well."""
    return _asking(family, _alerts())


def panels(family: Family) -> list[str]:
    """``Dashboard: panel`` for each panel, annotation and variable that asks for it."""
    return _asking(family, _panels())


def _asking(family: Family, questions: tuple[Question, ...]) -> list[str]:
    wanted = {family.name}
    if family.kind == "histogram":
        wanted |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
    return list(dict.fromkeys(question.who for question in questions if wanted & question.names))


@cache
def _alerts() -> tuple[Question, ...]:
    recorded: dict[str, frozenset[str]] = {}
    asked = []
    for rule in _rules():
        if "record" in rule:
            recorded[rule["record"]] = _names(rule["expr"])
        else:
            asked.append((rule["alert"], _names(rule["expr"], *rule["annotations"].values())))
    return tuple(Question(alert, _followed(names, recorded)) for alert, names in asked)


def _followed(found: frozenset[str], recorded: dict[str, frozenset[str]]) -> frozenset[str]:
    """The names, and what the recording rules among them are computed from."""
    further = found.union(*(recorded[name] for name in found & recorded.keys()))
    return found if further == found else _followed(further, recorded)


def _rules() -> Iterator[dict[str, Any]]:
    for file in sorted((REPOSITORY / "prometheus/rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


@cache
def _panels() -> tuple[Question, ...]:
    return tuple(question for board in _boards() for question in _questions(board))


def _boards() -> Iterator[dict[str, Any]]:
    for file in sorted((REPOSITORY / "grafana/dashboards").glob("*.json")):
        yield json.loads(file.read_text())


def _questions(board: dict[str, Any]) -> Iterator[Question]:
    title = board["title"].removeprefix("trainwarden / ")
    for panel in _unfolded(board["panels"]):
        yield Question(f"{title}: {panel.get('title')}", _names(*(t["expr"] for t in panel.get("targets", []))))
    for mark in board["annotations"]["list"]:
        yield Question(f"{title}: marks “{mark['name']}”", _names(mark.get("expr", "")))
    for variable in board["templating"]["list"]:
        choice = f"{title}: choice “{variable.get('label') or variable['name']}”"
        yield Question(choice, _names(json.dumps(variable.get("query", ""))))


def _unfolded(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The panels, and those inside a folded row."""
    for panel in panels:
        yield panel
        yield from _unfolded(panel.get("panels") or [])


def _names(*texts: str) -> frozenset[str]:
    return frozenset(name for text in texts for name in _NAME.findall(text))
