"""`trainwarden doctor` on a real stack: well, and with each link broken in turn."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.chain.test_asking import answering
from tests.doctor.conftest import SECRET, Stack, amiss, broken
from tests.support.nvml import FakeDriver
from tests.support.ports import free_port
from trainwarden.doctor import scene as scenes
from trainwarden.doctor.finding import Status
from trainwarden.doctor.walk import LINKS
from trainwarden.version import VERSION

pytestmark = pytest.mark.waits

FAILED, WARNING, NOT_REACHED = Status.FAILED, Status.WARNING, Status.NOT_REACHED


def test_a_stack_that_is_well_is_said_to_be_and_no_secret_is_shown(stack: Stack, nvml: FakeDriver) -> None:
    stack.home.environment |= {**nvml.environment(), "COLUMNS": "200"}
    done = stack.home.trainwarden("doctor", "--json")
    told = json.loads(done.stdout)
    assert {link["link"]: link["status"] for link in told["links"]} == {link.name: "ok" for link in LINKS}
    assert told["holds"] is True
    assert done.returncode == 0
    table = stack.home.trainwarden("doctor")
    assert table.stdout.rstrip().endswith("The chain holds.")
    assert table.returncode == 0
    for secret in (stack.home.stack.token_path.read_text(), SECRET):
        assert secret not in done.stdout + table.stdout + done.stderr + table.stderr


@pytest.mark.heavy
def test_a_stack_that_has_just_begun_is_borne_with(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.edit("prometheus/targets/exporter.yml", lambda _: [])
    stack.until("exporter-target", FAILED, "no target")
    monkeypatch.setattr(scenes, "YOUNG_SECONDS", 3600.0)
    found = stack.examine()
    assert found["exporter-target"].status == WARNING
    assert found["exporter-target"].found.startswith(
        "Prometheus has no target of the job trainwarden; Prometheus began"
    )
    assert broken(found) == []


def test_a_mistake_in_trainwarden_yml(stack: Stack) -> None:
    stack.configuration.write_text("thresholds: {swap_used_byte: {warning: 1}}")
    done = stack.home.trainwarden("doctor")
    assert done.returncode == 1
    found = stack.examine()
    assert broken(found) == ["configuration"]
    assert "swap_used_byte: unknown signal (did you mean 'swap_used_bytes'?)" in found["configuration"].found
    assert found["exporter"].status == found["grafana"].status == NOT_REACHED
    assert found["exporter"].found == "first: configuration"


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("service", "hanging"),
    [
        ("exporter", {"thresholds", "exporter-target", "machine-name"}),
        ("receiver", {"receiver-target", "machine-name", "route", "token", "mode"}),
        ("alertmanager", {"sending", "arrival", "route", "token", "people"}),
        (
            "prometheus",
            {
                "exporter-target",
                "receiver-target",
                "machine-name",
                "rules",
                "evaluation",
                "watchdog",
                "sending",
                "arrival",
            },
        ),
    ],
)
def test_a_service_that_is_down(stack: Stack, service: str, hanging: set[str]) -> None:
    with stack.without(service):
        found = stack.until(service, FAILED, "connection refused")
    assert broken(found) == [service]
    assert amiss(found).keys() == {service, *hanging}
    assert f"127.0.0.1:{stack.home.ports[service]}" in found[service].found
    assert found[service].mend.startswith("Start it (trainwarden up --detach")


@pytest.mark.heavy
def test_an_exporter_whose_sensor_fails(stack: Stack) -> None:
    run = stack.runs / "luca"
    run.mkdir(parents=True)
    (run / "run.json").write_text("{")
    found = stack.until("exporter", FAILED, "no whole reading from collector runs")
    assert broken(found) == ["exporter"]
    assert str(stack.home.stack.log("exporter")) in found["exporter"].mend
    (run / "run.json").unlink()
    run.rmdir()


@pytest.mark.heavy
def test_an_exporter_of_another_version_or_without_its_thresholds(stack: Stack) -> None:
    with answering(b'trainwarden_build_info{version="0.0.1"} 1\n') as url:
        found = stack.examine({"exporter": url})
    assert (found["exporter"].status, found["thresholds"].status) == (WARNING, FAILED)
    assert found["exporter"].found == f"it is of version 0.0.1, and this command of {VERSION}"
    assert "swap_used_bytes/warning" in found["thresholds"].found


@pytest.mark.heavy
def test_an_exporter_that_goes_by_an_older_trainwarden_yml(stack: Stack) -> None:
    with stack.configuration.open("a") as file:
        file.write("thresholds: {swap_used_bytes: {warning: 1}}\n")
    found = stack.examine()
    assert amiss(found) == {"thresholds": WARNING}
    assert found["thresholds"].found.endswith("other numbers than trainwarden.yml: swap_used_bytes/warning")


@pytest.mark.heavy
def test_a_service_that_asks_for_a_login(stack: Stack) -> None:
    with answering(b"Unauthorized", 401) as url:
        found = stack.examine({"alertmanager": url})
    assert broken(found) == ["alertmanager"]
    assert found["alertmanager"].found == f"Alertmanager answers 401 at {url}/api/v2/status: Unauthorized"
    assert "TRAINWARDEN_ALERTMANAGER_URL=https://user:password@host" in found["alertmanager"].mend


@pytest.mark.heavy
def test_a_clock_that_is_off(stack: Stack) -> None:
    with stack.configuration.open("a") as file:
        file.write("thresholds: {clock_skew_seconds: {warning: 0}}\n")
    found = stack.examine()
    assert amiss(found) == {"prometheus": WARNING, "thresholds": WARNING}
    assert "this machine's" in found["prometheus"].found
    assert "timedatectl" in found["prometheus"].mend


@pytest.mark.heavy
def test_a_target_with_a_wrong_port(stack: Stack) -> None:
    port = free_port()
    stack.edit("prometheus/targets/exporter.yml", lambda entries: entries[0].update(targets=[f"127.0.0.1:{port}"]))
    found = stack.until("exporter-target", FAILED, f"http://127.0.0.1:{port}/metrics: ")
    assert broken(found) == ["exporter-target"]
    assert "connection refused" in found["exporter-target"].found
    assert f"it answers at 127.0.0.1:{stack.home.ports['exporter']}" in found["exporter-target"].mend
    assert "targets/exporter.yml" in found["exporter-target"].mend


@pytest.mark.heavy
def test_a_machine_that_is_named_with_its_port_or_in_two_ways(stack: Stack) -> None:
    stack.edit("prometheus/targets/receiver.yml", lambda entries: [{"targets": entries[0]["targets"]}])
    found = stack.until("receiver-target", FAILED, f"127.0.0.1:{stack.home.ports['receiver']}, with a port")
    assert broken(found) == ["receiver-target"]
    stack.edit("prometheus/targets/receiver.yml", lambda entries: entries[0].update(labels={"instance": "other"}))
    found = stack.until("machine-name", FAILED, "the receiver is called other and the exporter ")
    assert broken(found) == ["machine-name"]


@pytest.mark.heavy
def test_a_file_of_rules_that_is_missing(stack: Stack) -> None:
    (stack.rendered / "prometheus/rules/watch.yml").unlink()
    stack.reload("prometheus")
    found = stack.until("rules", FAILED, "rules are not loaded, Trainwarden")
    assert broken(found) == ["rules"]
    assert "this version's watch.yml into the folder rules/" in found["rules"].mend
    assert found["watchdog"].status == NOT_REACHED


@pytest.mark.heavy
def test_a_file_of_rules_that_prometheus_refuses(stack: Stack) -> None:
    (stack.rendered / "prometheus/rules/run.yml").write_text("groups: [{name: x, rules: [{alert: X, expr: 'sum('}]}]")
    stack.reload("prometheus")
    found = stack.until("rules", FAILED, "refused its configuration or rules at the last reload")
    assert broken(found) == ["rules"]
    assert "promtool check config" in found["rules"].mend


def _rewrite(name: str, **changes: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for group in content["groups"]:
            for rule in group["rules"]:
                if rule.get("alert") == name:
                    rule.update(changes)

    return change


@pytest.mark.heavy
@pytest.mark.parametrize(
    "changes", [{"expr": "vector(2) > 1"}, {"for": "7m"}, {"labels": {"severity": "info", "x": "y"}}]
)
def test_rules_of_another_version(stack: Stack, changes: dict[str, Any]) -> None:
    stack.edit("prometheus/rules/watch.yml", _rewrite("TrainwardenWatchdog", **changes))
    stack.reload("prometheus")
    found = stack.until("rules", WARNING, "not as this version ships them: TrainwardenWatchdog")
    assert amiss(found).get("rules") == WARNING
    assert broken(found) == []


@pytest.mark.heavy
def test_a_rule_that_cannot_be_evaluated(stack: Stack) -> None:
    stack.edit("prometheus/rules/watch.yml", _rewrite("TrainwardenReceiverDown", expr="up + on () up"))
    stack.reload("prometheus")
    found = stack.until("evaluation", FAILED, "TrainwardenReceiverDown cannot be evaluated: ")
    assert broken(found) == ["evaluation"]


@pytest.mark.heavy
def test_a_watchdog_that_does_not_fire(stack: Stack) -> None:
    stack.edit("prometheus/rules/watch.yml", _rewrite("TrainwardenWatchdog", expr="vector(1) > 2"))
    stack.reload("prometheus")
    found = stack.until("watchdog", FAILED, "TrainwardenWatchdog does not fire")
    assert broken(found) == ["watchdog"]
    assert found["arrival"].status == NOT_REACHED


@pytest.mark.heavy
def test_prometheus_that_knows_no_alertmanager_and_one_that_sends_elsewhere(stack: Stack) -> None:
    stack.edit("prometheus/targets/alertmanager.yml", lambda _: [])
    found = stack.until("sending", FAILED, "Prometheus knows no Alertmanager")
    assert broken(found) == ["sending"]
    port = free_port()
    stack.edit("prometheus/targets/alertmanager.yml", lambda _: [{"targets": [f"127.0.0.1:{port}"]}])
    found = stack.until("arrival", FAILED, f"has not come, though Prometheus sends to http://127.0.0.1:{port}")
    assert broken(found) == ["arrival"]
