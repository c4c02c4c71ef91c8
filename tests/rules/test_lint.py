"""The shipped rules pass every check of `lint`, and each check finds what it is there for."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.rules import lint, shipped
from tests.rules.lint import Rule

RULES = [
    pytest.param(
        rule, id=f"{rule.get('alert') or rule['record']}-{rule.get('labels', {}).get('severity', 'recording')}"
    )
    for rule in shipped.rules()
]
UP = 'max_over_time(up{job="trainwarden"}[2m]) == 0'
HOT = "last_over_time(trainwarden_gpu_temperature_celsius[3m])"


def _alert(expr: str, **further: Any) -> Rule:
    return {"alert": "TrainwardenNew", "expr": expr, "for": "1m", "labels": {}, "annotations": {}, **further}


@pytest.mark.parametrize("rule", RULES)
def test_a_shipped_rule_passes_every_check(rule: Rule) -> None:
    assert [f"{check.__name__}: {said}" for check in lint.CHECKS for said in check(rule)] == []


@pytest.mark.parametrize(
    ("check", "rule", "said"),
    [
        (lint.comparison, _alert(HOT), "compares with nothing"),
        (lint.comparison, _alert(f"{HOT} > bool 85"), "compares with nothing"),
        (lint.comparison, _alert(f"{UP} or {HOT}"), "compares with nothing"),
        (lint.absent, _alert('absent(up{job="trainwarden"})', **{"for": "10s"}), "two scrapes"),
        (lint.lasting, _alert(UP, **{"for": "0s"}), "two scrapes"),
        (lint.template, _alert(UP, labels={"value": "{{ $value }}"}), "among its labels"),
        (lint.template, _alert(UP, annotations={"summary": "{{ $value }} of it."}), "raw $value"),
        (lint.template, _alert(UP, annotations={"summary": "Run {{ $labels.run }}."}), "no label of it"),
        (
            lint.template,
            _alert(f"max by (instance) ({HOT}) > 85", annotations={"summary": "GPU {{ $labels.gpu }}."}),
            "no label of it",
        ),
        (
            lint.template,
            _alert(
                f'{HOT} > on (instance) group_left () last_over_time(trainwarden_threshold{{level="danger"}}[3m])',
                annotations={"description": "It is hot."},
            ),
            "does not say the threshold",
        ),
        (lint.fragile, _alert(f"max({HOT}) > 85"), "machines are mixed up"),
        (lint.fragile, _alert(f"topk by (instance) (1, {HOT}) > 85"), "picks another series"),
        (lint.fragile, _alert("max_over_time(up[2m]) == 0"), "up without a job"),
        (lint.series, _alert("last_over_time(trainwarden_gpu_heat[3m]) > 85"), "exported by nobody"),
        (lint.series, _alert('last_over_time(trainwarden_gpus{gpu="0"}[3m]) > 85'), "no label gpu"),
        (
            lint.series,
            _alert(
                UP, annotations={"summary": """{{ with printf "trainwarden_heat{run='%s'}" $labels.run | query }}"""}
            ),
            "exported by nobody",
        ),
        (lint.series, _alert(f"{HOT} > on (instance, run) last_over_time(trainwarden_gpus[3m])"), "not on both sides"),
        (lint.bare, _alert("trainwarden_gpus == 0"), "one missed scrape ends it"),
        (lint.recording, {"record": "gpu_heat", "expr": HOT}, "is not called"),
        (lint.recording, {"record": "instance_run:trainwarden_gpu:max", "expr": HOT}, "is called by"),
    ],
)
def test_a_mistake_is_found(check: Callable[[Rule], Iterator[str]], rule: Rule, said: str) -> None:
    assert [found for found in check(rule) if said in found]


def test_no_two_rules_are_the_same() -> None:
    """rule/duplicate: an alert once for each severity, an expression once."""
    told = [(rule["alert"], rule["labels"]["severity"]) for rule in shipped.alerts()]
    asked = [" ".join(rule["expr"].split()) for rule in shipped.rules()]
    assert sorted(set(told)) == sorted(told)
    assert sorted(set(asked)) == sorted(asked)


def test_every_recording_is_read_by_a_rule() -> None:
    recorded = {rule["record"] for rule in shipped.recordings()}
    read = {
        node.name
        for rule in shipped.rules()
        for query in lint.queries(rule)
        for node in lint.every(query)
        if isinstance(node, lint.VectorSelector)
    }
    assert recorded <= read


def test_every_fact_is_an_alert_without_for() -> None:
    assert set(lint.FACTS) == {rule["alert"] for rule in shipped.alerts() if "for" not in rule}
