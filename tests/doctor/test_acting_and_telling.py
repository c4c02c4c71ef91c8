"""`trainwarden doctor` where what breaks is the way to the receiver, or the one to people."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.chain.test_asking import answering
from tests.doctor.conftest import Stack, amiss, broken
from tests.support.ports import free_port
from trainwarden.doctor.finding import Status
from trainwarden.runs.folder import RunFolder

pytestmark = pytest.mark.waits

FAILED, WARNING, NOT_REACHED = Status.FAILED, Status.WARNING, Status.NOT_REACHED


def _route_to_notify(content: Any) -> None:
    for branch in content["route"]["routes"]:
        if branch["receiver"] == "trainwarden":
            branch["receiver"] = "notify"


def _webhook(**changes: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        (receiver,) = [entry for entry in content["receivers"] if entry["name"] == "trainwarden"]
        receiver["webhook_configs"][0].update(changes)

    return change


def _mute(content: Any) -> None:
    content["mute_time_intervals"] = [
        {"name": "nights", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]}
    ]
    for branch in content["route"]["routes"]:
        branch["mute_time_intervals"] = ["nights"]


def _inhibit(content: Any) -> None:
    content["inhibit_rules"].append(
        {"source_matchers": ["alertname=X"], "target_matchers": ['severity=~"critical|warning"']}
    )


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_route_to_notify, "TrainwardenRunHung reaches notify, and not the receiver's webhook"),
        (_mute, "TrainwardenRunHung does not reach the receiver in nights"),
        (_inhibit, "TrainwardenRunHung can be kept back by an inhibition rule"),
        (_webhook(send_resolved=False), "the receiver is not told when an alert is over"),
        (_webhook(max_alerts=1), "the receiver is told of some of the alerts only"),
        (_webhook(url="http://127.0.0.1:1/alerts"), "alerts are posted to 127.0.0.1:1, and the receiver answers at "),
    ],
)
def test_a_route_that_does_not_lead_to_the_receiver(stack: Stack, change: Callable[[Any], None], words: str) -> None:
    stack.edit("alertmanager/alertmanager.yml", change)
    stack.reload("alertmanager")
    found = stack.until("route", FAILED, words)
    assert broken(found) == ["route"]
    assert found["route"].mend.startswith("Have alertmanager.yml written anew: trainwarden down && trainwarden up")


def test_a_token_that_is_not_the_receivers(stack: Stack, tmp_path: Path) -> None:
    other = tmp_path / "token"
    other.write_text("another-secret")
    stack.edit(
        "alertmanager/alertmanager.yml",
        _webhook(http_config={"authorization": {"type": "Bearer", "credentials_file": str(other)}}),
    )
    stack.reload("alertmanager")
    found = stack.until("token", FAILED, f"does not take the token that Alertmanager sends ({other})")
    assert broken(found) == ["token"]
    assert "another-secret" not in str(found)
    assert stack.examine(token_file=str(stack.home.stack.token_path))["token"].status == Status.OK
    other.unlink()
    assert stack.examine()["token"].found == f"{other}: No such file or directory"
    stack.edit("alertmanager/alertmanager.yml", _webhook(http_config={}))
    stack.reload("alertmanager")
    stack.until("token", FAILED, "the receiver asks for a token, and Alertmanager sends none from a file")


@pytest.mark.heavy
def test_a_receiver_that_may_not_act(stack: Stack) -> None:
    run = RunFolder("luca", stack.runs)
    run.create()
    run.pause_path.touch()
    found = stack.examine()
    assert amiss(found) == {"mode": WARNING}
    assert found["mode"].found == "left alone: luca (paused)"
    run.pause_path.unlink()
    shutil.rmtree(run.path)
    with stack.configuration.open("a") as file:
        file.write("receiver: {mode: observe}\n")
    found = stack.examine()
    assert amiss(found) == {"mode": WARNING}
    assert "receiver.mode: observe" in found["mode"].found


def test_a_secret_of_slack_that_is_missing_or_empty(stack: Stack) -> None:
    stack.slack.unlink()
    found = stack.examine()
    assert broken(found) == ["people"]
    assert (
        found["people"].found == f"notify.slack.api_url_file: {stack.slack} cannot be read: No such file or directory"
    )
    stack.slack.write_text("\n")
    assert stack.examine()["people"].found == f"notify.slack.api_url_file: {stack.slack} is empty"


def test_nobody_who_is_told_and_one_who_is_told_of_in_trainwarden_yml_only(stack: Stack) -> None:
    def nobody(content: Any) -> None:
        for receiver in content["receivers"]:
            receiver.pop("slack_configs", None)

    stack.edit("alertmanager/alertmanager.yml", nobody)
    stack.reload("alertmanager")
    found = stack.until(
        "people", FAILED, "notify.slack is set in trainwarden.yml, and Alertmanager does not know of it"
    )
    assert broken(found) == ["people"]
    stack.configuration.write_text("{}")
    assert amiss(stack.examine()) == {"people": WARNING}


@pytest.mark.heavy
def test_messages_that_do_not_arrive(stack: Stack) -> None:
    with answering(b"no_service", 404, post=True) as url:
        stack.slack.write_text(f"{url}/services/T/B/X")
        stack.restart("alertmanager")  # so that it counts anew
        alert = {"labels": {"alertname": "TrainwardenHostSwap", "severity": "critical", "instance": "x"}}
        assert requests.post(stack.home.get("alertmanager", "/").url + "api/v2/alerts", json=[alert], timeout=5).ok
        found = stack.until("people", FAILED, "messages since Alertmanager's start failed")
    assert broken(found) == ["people"]
    stack.slack.write_text(stack.slack_url)
    stack.restart("alertmanager")


def test_grafana_where_there_is_one(stack: Stack) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    assert broken(stack.examine({"grafana": gone})) == ["grafana"]
    with answering(b'{"database": "ok", "version": "13.2.0", "status": "OK"}') as url:
        assert stack.examine({"grafana": url})["grafana"].found == f"{url}: up, and reaches Prometheus"
    with answering(b'{"database": "ok", "status": "ERROR", "message": "no such host"}') as url:
        found = stack.examine({"grafana": url})
    assert found["grafana"].found == "its data source trainwarden-prometheus: no such host"
    assert broken(found) == ["grafana"]
