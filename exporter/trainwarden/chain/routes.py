"""Alertmanager's routing, read off its configuration: whom an alert reaches, and what would keep it back.

As Alertmanager does it (dispatch/route.go): the first branch that matches takes the alert, and the next ones too where
it says ``continue``; a branch's own branches come before itself. The tests hold it against ``amtool``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Labels = Mapping[str, str]

_MATCHER = re.compile(r'\s*,?\s*([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^,"\s}]*)\s*')


class Destination(NamedTuple):
    """A receiver that an alert reaches."""

    receiver: str
    muted_by: tuple[str, ...]
    """Names of the times in which it does not: ``mute_time_intervals``, and those besides which it is not active."""


def destinations(configuration: Mapping[str, Any], labels: Labels) -> list[Destination]:
    """Every receiver that an alert with these labels reaches, in order."""
    return list(_reached(configuration.get("route") or {}, labels, ""))


def kept_back(configuration: Mapping[str, Any], labels: Labels) -> list[Mapping[str, Any]]:
    """The inhibition rules by which another alert could keep this one back."""
    rules = configuration.get("inhibit_rules") or []
    return [rule for rule in rules if _all_match(_written(rule, "target_"), labels)]


def integrations(configuration: Mapping[str, Any], receiver: str) -> list[tuple[str, Mapping[str, Any]]]:
    """What a receiver consists of: pairs of a kind (``webhook``, ``slack``, ``email`` …) and its settings."""
    for entry in configuration.get("receivers") or []:
        if entry.get("name") == receiver:
            kinds = [key for key in entry if key.endswith("_configs")]
            return [(key.removesuffix("_configs"), one) for key in kinds for one in entry[key] or []]
    return []


def _reached(node: Mapping[str, Any], labels: Labels, above: str) -> Iterator[Destination]:
    receiver = node.get("receiver") or above
    taken = False
    for branch in node.get("routes") or []:
        if _all_match(_written(branch, ""), labels):
            taken = True
            yield from _reached(branch, labels, receiver)
            if not branch.get("continue"):
                return
    if not taken:
        times = (*(node.get("mute_time_intervals") or ()), *(node.get("active_time_intervals") or ()))
        yield Destination(receiver, tuple(times))


def _written(node: Mapping[str, Any], prefix: str) -> list[str]:
    """The matchers of a branch or a rule, in today's spelling and in the one before 0.22."""
    today = node.get(f"{prefix}matchers") or []
    old = [f'{name}="{value}"' for name, value in (node.get(f"{prefix}match") or {}).items()]
    old += [f'{name}=~"{value}"' for name, value in (node.get(f"{prefix}match_re") or {}).items()]
    return [*([today] if isinstance(today, str) else today), *old]


def _all_match(matchers: list[str], labels: Labels) -> bool:
    return all(
        _matches(operator, value, labels.get(name, ""))
        for text in matchers
        for name, operator, value in _MATCHER.findall(text.strip().removeprefix("{").removesuffix("}"))
    )


def _matches(operator: str, quoted: str, value: str) -> bool:
    wanted = re.sub(r"\\(.)", r"\1", quoted[1:-1]) if quoted.startswith('"') else quoted
    if operator == "=":
        return value == wanted
    if operator == "!=":
        return value != wanted
    return (re.fullmatch(wanted, value) is not None) == (operator == "=~")
