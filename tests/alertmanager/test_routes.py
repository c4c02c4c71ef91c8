"""Whom an alert reaches, as amtool reads the shipped configuration; and what a person then reads."""

import json
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


def test_the_watchdog_reaches_nobody(tools: Tools) -> None:
    assert _receivers(tools, alertname="TrainwardenWatchdog", severity="info") == "null"


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
    assert [receiver for receiver in receivers if receiver["name"] in ("null", "notify")] == [
        {"name": "null"},
        {"name": "notify"},
    ]


def _message(status: str, **labels: str) -> dict[str, Any]:
    annotations = {
        "summary": "Run lora on workstation has stopped stepping.",
        "description": "No step for 12m 0s; the limit is 10m 0s.",
        "remedy": "Look at its output.",
        "runbook_url": "https://runbook",
    }
    labels = {"severity": "critical", "instance": "workstation", "run": "lora", **labels}
    alert = {"status": status, "labels": labels, "annotations": annotations}
    times = {"startsAt": "2026-11-24T03:00:00Z", "endsAt": "2026-11-24T03:20:00Z"}
    return {"status": status, "groupLabels": labels, "commonLabels": labels, "alerts": [{**alert, **times}]}


def _render(tools: Tools, folder: Path, template: str, message: dict[str, Any]) -> str:
    data = folder / "data.json"
    data.write_text(json.dumps(message))
    glob = f"--template.glob={FOLDER}/templates/*.tmpl"
    text = f'--template.text={{{{ template "{template}" . }}}}'
    return _amtool(tools, "template", "render", glob, text, f"--template.data={data}").strip()


def test_a_person_reads_what_happens_and_what_to_do_in_two_lines(tools: Tools, tmp_path: Path) -> None:
    message = _message("firing", alertname="TrainwardenRunStalled")
    title = _render(tools, tmp_path, "trainwarden.slack.title", message)
    assert title == "CRITICAL: TrainwardenRunStalled · lora · workstation"
    assert _render(tools, tmp_path, "trainwarden.slack.text", message).splitlines() == [
        "Run lora on workstation has stopped stepping. No step for 12m 0s; the limit is 10m 0s.",
        "To do: Look at its output. https://runbook",
    ]


def test_of_a_restart_alert_it_says_who_acts(tools: Tools, tmp_path: Path) -> None:
    message = _message("firing", alertname="TrainwardenRunHung", action="restart")
    second = _render(tools, tmp_path, "trainwarden.email.text", message).splitlines()[1]
    assert second == "Trainwarden looks again and decides. https://runbook"


def test_of_an_end_it_says_how_long_it_stood(tools: Tools, tmp_path: Path) -> None:
    message = _message("resolved", alertname="TrainwardenRunStalled")
    assert _render(tools, tmp_path, "trainwarden.email.subject", message).startswith("OVER: TrainwardenRunStalled")
    assert _render(tools, tmp_path, "trainwarden.slack.text", message).splitlines() == [
        "Over: Run lora on workstation has stopped stepping.",
        "It stood for 20m0s.",
    ]
