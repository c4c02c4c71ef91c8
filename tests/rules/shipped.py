"""Reads the shipped rules as data."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

RULES = Path(__file__).resolve().parents[2] / "prometheus" / "rules"
FILES = sorted(RULES.glob("*.yml"))
_FIRST = ["restart", "history"]
GROUPS = [f"trainwarden-{name}" for name in (*_FIRST, *(file.stem for file in FILES if file.stem not in _FIRST))]
"""In the order in which the tests evaluate them: restart and history hold recordings that other groups read."""

SELECTOR = re.compile(r"([a-z][A-Za-z0-9_:]*)\{(?!\{)([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*[\"']([^\"']*)[\"']")


class Selector(NamedTuple):
    """One vector selector of an expression: a metric and its label matchers."""

    metric: str
    matchers: dict[str, str]


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    files = [yaml.safe_load(file.read_text()) for file in FILES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    return [rule for rule in rules() if "alert" in rule]


def recordings() -> list[dict[str, Any]]:
    """Every recording rule."""
    return [rule for rule in rules() if "record" in rule]


def alerts_of(subject: str) -> list[dict[str, Any]]:
    """Those of one file."""
    content = yaml.safe_load((RULES / f"{subject}.yml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"] if "alert" in rule]


def annotations(alert: str, severity: str) -> dict[str, str]:
    """As they stand in the rule."""
    (found,) = [r["annotations"] for r in alerts() if (r["alert"], r["labels"]["severity"]) == (alert, severity)]
    return dict(found)


def expressions() -> list[str]:
    """Every expression, and every query inside an annotation."""
    return [rule["expr"] for rule in rules()] + [text for rule in alerts() for text in rule["annotations"].values()]


def selectors() -> list[Selector]:
    """Every selector that has matchers."""
    found = (match for expression in expressions() for match in SELECTOR.finditer(expression))
    return [Selector(metric, dict(MATCHER.findall(inside))) for metric, inside in (match.groups() for match in found)]


def metrics() -> set[str]:
    """Every metric of trainwarden that an expression names."""
    return {name for text in expressions() for name in re.findall(r"(?<![\w:])trainwarden_[a-z0-9_]+", text)}
