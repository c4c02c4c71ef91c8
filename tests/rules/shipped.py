"""Reads the shipped rules as data."""

import re
from typing import Any, NamedTuple

import yaml

from tests.rules.promtool import RULES

SELECTOR = re.compile(r"([a-z][a-z0-9_:]*)\{(?!\{)([^}]*)\}")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*[\"']([^\"']*)[\"']")


class Selector(NamedTuple):
    """One vector selector of an expression: a metric and its label matchers."""

    metric: str
    matchers: dict[str, str]


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    files = [yaml.safe_load(file.read_text()) for file in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    return [rule for rule in rules() if "alert" in rule]


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
