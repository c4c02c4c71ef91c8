"""What a person would find in review, found by machine: the checks of pint that can be made without a Prometheus.

Each check takes one rule, as `shipped.rules` has it, and says what is wrong with it, a sentence each. The names are
pint's own (alerts/comparison, promql/fragile, …), so that its documentation explains them.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from tests.rules import exported, shipped

Rule = dict[str, Any]
Node = Any
"""An expression of promql_parser."""

COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
SCRAPE_SECONDS = 15
SCRAPED = {"instance", "job"}
EXACT = {
    "instance:trainwarden_clock_skew_seconds:min": "a sample's value against its own time; who asks bridges scrapes"
}
"""Recordings that mean one sample and not the last minutes."""
FACTS = {
    "TrainwardenRunCrashed": "an exit that was seen does not become untrue",
    "TrainwardenRunOutOfMemory": "a line of output",
    "TrainwardenRunCudaUnknownError": "a line of output",
    "TrainwardenRunError": "a line of output",
    "TrainwardenRunLossNotFinite": "a counted step",
    "TrainwardenOomKill": "a counted kill",
    "TrainwardenGpuXid": "an event with its time",
    "TrainwardenRunRestarting": "a state of the receiver's ledger",
    "TrainwardenRunRecovered": "an event with its time",
    "TrainwardenRunAdapted": "a line of the receiver's ledger",
    "TrainwardenRestartGaveUp": "a line of the receiver's ledger",
    "TrainwardenRestartWedged": "a line of the receiver's ledger",
    "TrainwardenRestartLedger": "a state of the receiver",
    "TrainwardenRestartNeedsHuman": "a line of the receiver's ledger",
    "TrainwardenWatchdog": "always stands",
}
"""Alerts that need no `for`: there is nothing about them that could flicker."""

_QUERY = re.compile(r'with printf "([^"]*)"')
_SHOWN = re.compile(r"\{\{([^}]*)\}\}")
_NAMED = re.compile(r"\$labels\.(\w+)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parts(node: Node) -> list[Node]:
    """The expressions directly inside one."""
    if isinstance(node, BinaryExpr):
        return [node.lhs, node.rhs]
    if isinstance(node, Call):
        return list(node.args)
    if isinstance(node, AggregateExpr | ParenExpr | SubqueryExpr | UnaryExpr):
        return [node.expr]
    return [node.vector_selector] if isinstance(node, MatrixSelector) else []


def every(node: Node) -> Iterator[Node]:
    """The expression and all inside it."""
    yield node
    for part in parts(node):
        yield from every(part)


def queries(rule: Rule) -> list[Node]:
    """The rule's expression, and those that its texts ask."""
    texts = " ".join(rule.get("annotations", {}).values())
    asked = [text.replace("%s", "x") for text in _QUERY.findall(texts)]
    return [promql_parser.parse(text) for text in (rule["expr"], *asked)]


def compares(node: Node) -> bool:
    """Whether an alert of this expression stands for some series only."""
    operator = str(node.op) if isinstance(node, BinaryExpr) else ""
    if operator in COMPARISONS:
        return not (node.modifier and node.modifier.return_bool)
    if operator == "or":
        return compares(node.lhs) and compares(node.rhs)
    if operator == "unless" or (isinstance(node, Call) and node.func.name.startswith("absent")):
        return True
    return any(compares(part) for part in parts(node))


def labels(node: Node) -> set[str]:
    """By which labels the result is told apart, by the rules of PromQL."""
    if isinstance(node, VectorSelector):
        of_recording = _recordings().get(node.name)
        return labels(of_recording) if of_recording else exported.labels().get(node.name, set()) | SCRAPED
    if isinstance(node, AggregateExpr):
        if str(node.op) in ("topk", "bottomk"):
            return labels(node.expr)
        counted = {node.param.val} if str(node.op) == "count_values" else set()
        return counted | set(node.modifier.labels if node.modifier else ())
    if isinstance(node, BinaryExpr):
        return _of_binary(node)
    return set().union(*(labels(part) for part in parts(node)))


@cache
def _recordings() -> dict[str, Node]:
    return {rule["record"]: promql_parser.parse(rule["expr"]) for rule in shipped.recordings()}


def _of_binary(node: BinaryExpr) -> set[str]:
    left, right = labels(node.lhs), labels(node.rhs)
    if not left or not right:
        return left | right  # a number on one side
    if str(node.op) in ("and", "unless"):
        return left
    if str(node.op) == "or":
        return left | right  # what only one half has, a text shows with `with`
    matching = node.modifier.matching if node.modifier else None
    if node.modifier and "ManyToOne" in str(node.modifier.card):
        return left | set(node.modifier.group_labels or ())
    return set(matching.labels) if matching else left


def comparison(rule: Rule) -> Iterator[str]:
    """alerts/comparison: an alert without a condition would always stand."""
    if "alert" in rule and not compares(promql_parser.parse(rule["expr"])) and rule["expr"] != "vector(1)":
        yield "compares with nothing, so it always stands"


def absent(rule: Rule) -> Iterator[str]:
    """alerts/absent: one missed scrape is no absence."""
    named = [n.func.name for n in every(promql_parser.parse(rule["expr"])) if isinstance(n, Call)]
    if any(name.startswith("absent") for name in named) and seconds(rule.get("for", "0s")) < 2 * SCRAPE_SECONDS:
        yield "asks for absence and has no `for` of at least two scrapes"


def lasting(rule: Rule) -> Iterator[str]:
    """alerts/for: what can flicker lasts at least two scrapes."""
    if "alert" in rule and seconds(rule.get("for", "0s")) < 2 * SCRAPE_SECONDS and rule["alert"] not in FACTS:
        yield "has no `for` of at least two scrapes, and is not one of the facts"


def template(rule: Rule) -> Iterator[str]:
    """alerts/template: no value among the labels, no raw number in the texts, and only labels that are there."""
    if "{{" in str(rule.get("labels", {})):
        yield "has a template among its labels: each new value would be a new alert"
    texts = rule.get("annotations", {})
    there = labels(promql_parser.parse(rule["expr"])) | set(rule.get("labels", {}))
    for part, text in texts.items():
        shown = [inside.strip() for inside in _SHOWN.findall(text)]
        if "$value" in shown:
            yield f"{part}: shows a raw $value; pipe it into humanize…"
        yield from (f"{part}: $labels.{name} is no label of it" for name in set(_NAMED.findall(text)) - there)
    if "description" in texts and "threshold{" in rule["expr"] and "threshold{" not in texts["description"]:
        yield "description: does not say the threshold that it compares with"


def fragile(rule: Rule) -> Iterator[str]:
    """promql/fragile: every step keeps the machine, and none picks series by chance."""
    for node in [inner for query in queries(rule)[:1] for inner in every(query)]:
        if isinstance(node, AggregateExpr):
            if node.modifier is None or "By" not in str(node.modifier.type) or "instance" not in node.modifier.labels:
                yield f"{node.op!s} does not keep the label instance: machines are mixed up"
            if str(node.op) in ("topk", "bottomk") and "alert" in rule:
                yield f"{node.op!s} picks another series when values change places"
        elif isinstance(node, VectorSelector) and node.name == "up" and not _matched(node, "job"):
            yield "up without a job is of everybody"


def series(rule: Rule) -> Iterator[str]:
    """promql/series: metrics, labels that are matched, and labels that are joined by, exist."""
    known = exported.labels()
    for node in [inner for query in queries(rule) for inner in every(query)]:
        if isinstance(node, VectorSelector) and not node.name.startswith("ALERTS"):
            if node.name not in known:
                yield f"{node.name} is exported by nobody"
            yield from (
                f"{node.name} has no label {matcher.name}"
                for matcher in node.matchers.matchers
                if matcher.name not in known.get(node.name, set()) | SCRAPED
            )
        elif isinstance(node, BinaryExpr) and node.modifier and node.modifier.matching and labels(node.rhs):
            joined = set(node.modifier.matching.labels)
            both = labels(node.lhs) & labels(node.rhs) | {"severity"}
            yield from (f"joins on {name}, which is not on both sides" for name in joined - both)


def bare(rule: Rule) -> Iterator[str]:
    """trainwarden's own: one missed scrape ends an instant vector, and with it a `for`."""
    if rule.get("record") not in EXACT:
        for node in _instants(promql_parser.parse(rule["expr"])):
            if ":" not in node.name:
                yield f"{node.name} is read without a window, so that one missed scrape ends it"


def _instants(node: Node) -> Iterator[VectorSelector]:
    if isinstance(node, VectorSelector):
        yield node
    elif not isinstance(node, MatrixSelector):
        for part in parts(node):
            yield from _instants(part)


def recording(rule: Rule) -> Iterator[str]:
    """Recordings are called level:metric:operations, and the level is what tells their series apart."""
    if "record" not in rule:
        return
    if not re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["record"]):
        yield "is not called level:metric:operations"
    level, told = set(rule["record"].partition(":")[0].split("_")), labels(promql_parser.parse(rule["expr"])) - {"job"}
    if not level <= told | {"instance"}:
        yield f"is called by {sorted(level)}, and has {sorted(told)}"


def seconds(duration: str) -> int:
    """`1h30m` is 5400."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def _matched(node: VectorSelector, label: str) -> bool:
    return any(matcher.name == label for matcher in node.matchers.matchers)


CHECKS: tuple[Callable[[Rule], Iterator[str]], ...] = (
    *(comparison, absent, lasting, template, fragile, series, bare, recording),
)
