"""Whom an alert reaches, as amtool reads the shipped configuration."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules import shipped
from trainwarden.stack.tools import Tools

FOLDER = Path(__file__).resolve().parents[2] / "alertmanager"
CONFIGURATION = FOLDER / "alertmanager.yml"


def _amtool(tools: Tools, *arguments: str | Path) -> str:
    done = subprocess.run([tools.amtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _receivers(tools: Tools, **labels: str) -> str:
    pairs = [f'{name}="{value}"' for name, value in labels.items()]
    return _amtool(tools, "config", "routes", "test", f"--config.file={CONFIGURATION}", *pairs).strip()


def test_amtool_accepts_the_configuration_and_finds_the_templates(tools: Tools) -> None:
    """Alertmanager 0.27 and later warn of a matcher that the parsers of old and new read differently."""
    said = _amtool(tools, "check-config", CONFIGURATION)
    assert "1 templates" in said
    assert "WARN" not in said


@pytest.mark.parametrize("alert", ["TrainwardenRunHung", "TrainwardenRunCrashed"])
def test_a_restart_alert_reaches_the_receiver_and_people(alert: str, tools: Tools) -> None:
    labels = {"alertname": alert, "action": "restart", "severity": "critical", "instance": "workstation", "run": "lora"}
    assert _receivers(tools, **labels) == "trainwarden,notify"


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "notify"), ("warning", "notify"), ("info", "null"), ("", "null")]
)
def test_other_alerts_reach_people_by_their_severity_and_never_the_receiver(
    severity: str, receiver: str, tools: Tools
) -> None:
    assert _receivers(tools, alertname="TrainwardenRunStalled", severity=severity, run="lora") == receiver


ROUTED = [pytest.param(rule, id=f"{rule['alert']}-{rule['labels']['severity']}") for rule in shipped.alerts()]


def _expected(rule: dict[str, Any]) -> str:
    labels = rule["labels"]
    if rule["alert"] == "TrainwardenWatchdog":
        return "heartbeat"
    if labels.get("notify") == "outcome":
        return "notify-once"
    if labels.get("action") == "restart":
        return "trainwarden,notify"
    return "null" if labels["severity"] == "info" else "notify"


@pytest.mark.parametrize("rule", ROUTED)
def test_every_shipped_alert_reaches_whom_it_concerns(rule: dict[str, Any], tools: Tools) -> None:
    labels = {"alertname": rule["alert"], "instance": "workstation", "run": "lora", **rule["labels"]}
    assert _receivers(tools, **labels) == _expected(rule)


def test_what_became_of_a_restart_reaches_people_and_its_end_does_not(tools: Tools) -> None:
    assert _receivers(tools, alertname="AnyName", severity="info", notify="outcome", run="lora") == "notify-once"


def test_every_shipped_alert_reaches_the_receiver_just_if_it_restarts() -> None:
    """Routes go by labels alone, so the labels of the rules decide."""
    route = yaml.safe_load(CONFIGURATION.read_text())["route"]
    to_receiver = [branch["matchers"] for branch in route["routes"] if branch["receiver"] == "trainwarden"]
    assert to_receiver == [['action="restart"']]
    assert all(rule["labels"].get("action") in (None, "restart") for rule in shipped.alerts())


def test_the_receiver_is_told_of_the_end_and_of_every_alert_of_a_run() -> None:
    content = yaml.safe_load(CONFIGURATION.read_text())
    (branch,) = [branch for branch in content["route"]["routes"] if branch["receiver"] == "trainwarden"]
    assert branch["group_by"] == ["instance", "run"]
    assert branch["continue"] is True
    (webhook,) = next(r for r in content["receivers"] if r["name"] == "trainwarden")["webhook_configs"]
    assert webhook["send_resolved"] is True
    assert webhook["max_alerts"] == 0


def test_nobody_is_told_where_nothing_is_set() -> None:
    receivers = yaml.safe_load(CONFIGURATION.read_text())["receivers"]
    assert {receiver["name"] for receiver in receivers if len(receiver) == 1} == {
        "null",
        "notify",
        "notify-once",
        "heartbeat",
    }
