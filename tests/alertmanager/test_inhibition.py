"""Which alert mutes which, asked of a real Alertmanager that runs the shipped configuration."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.alertmanager.test_routes import CONFIGURATION
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

Labels = dict[str, str]
HERE = {"instance": "workstation"}
LORA = {**HERE, "run": "lora"}
HUNG = {"alertname": "TrainwardenRunHung", "severity": "critical", "action": "restart", "generation": "1", **LORA}
CRASHED = {**HUNG, "alertname": "TrainwardenRunCrashed"}
STALLED = {"alertname": "TrainwardenRunStalled", "severity": "critical", **LORA}
SILENT = {"alertname": "TrainwardenRunSupervisorSilent", "severity": "warning", **LORA}
SLOW = {"alertname": "TrainwardenRunSlow", "severity": "warning", **LORA}
SLOWING = {"alertname": "TrainwardenRunSlowing", "severity": "warning", **LORA}
FOLDER_GONE = {"alertname": "TrainwardenCheckpointFolderGone", "severity": "critical", **LORA}
OVERDUE = {"alertname": "TrainwardenCheckpointOverdue", "severity": "warning", **LORA}
EXPORTER_DOWN = {"alertname": "TrainwardenExporterDown", "severity": "critical", **HERE}
RECEIVER_DOWN = {"alertname": "TrainwardenReceiverDown", "severity": "critical", **HERE}
NEEDS_HUMAN = {"alertname": "TrainwardenRestartNeedsHuman", "severity": "critical", "reason": "wedged", **LORA}
RECOVERED = {"alertname": "TrainwardenRunRecovered", "severity": "info", "notify": "outcome", **LORA}
RAM_WARNING = {"alertname": "TrainwardenMemoryHigh", "severity": "warning", **HERE}
RAM_DANGER = {**RAM_WARNING, "severity": "critical"}
HOT_0 = {"alertname": "TrainwardenGpuHot", "severity": "warning", "gpu": "0", **HERE}
HOT_1_DANGER = {**HOT_0, "severity": "critical", "gpu": "1"}


@pytest.fixture(scope="module")
def alertmanager(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    data, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    arguments = [f"--config.file={CONFIGURATION}", f"--storage.path={data}", "--cluster.listen-address="]
    command = [str(tools.alertmanager), *arguments, f"--web.listen-address=127.0.0.1:{port}"]
    with (data / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), 30, "Alertmanager is ready")
            yield f"http://127.0.0.1:{port}/api/v2/alerts"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def _muted(url: str, case: Path, *alerts: Labels) -> list[str]:
    """Post the alerts, as of a machine of this case's own, and say which are muted."""
    _post(url, [{**labels, "case": case.name, "instance": f"{labels['instance']}-{case.name}"} for labels in alerts])
    standing = _standing(url, case)
    assert len(standing) == len(alerts)
    return sorted(
        f"{alert['labels']['alertname']} {alert['labels']['severity']}"
        for alert in standing
        if alert["status"]["inhibitedBy"]
    )


def _post(url: str, alerts: list[Labels]) -> None:
    requests.post(url, json=[{"labels": labels} for labels in alerts], timeout=5).raise_for_status()


def _standing(url: str, case: Path) -> list[dict[str, Labels]]:
    """The case's alerts, once all stand and the inhibitor has heard of them.

    Alertmanager lists an alert a moment before its inhibitor, which hears of them one by one, knows it. So a pair of
    which one surely mutes the other is posted behind them: once that is muted, those before it have been heard of.
    """
    probe = {"case": "probe", "instance": f"probe-{case.name}"}
    _post(url, [{**RAM_WARNING, **probe}, {**RAM_DANGER, **probe}])

    def muted() -> bool:
        return any(alert["status"]["inhibitedBy"] for alert in _with(url, "instance", probe["instance"]))

    wait_until(muted, 10, "the inhibitor has heard of all alerts")
    return _with(url, "case", case.name)


def _with(url: str, label: str, value: str) -> list[dict[str, Labels]]:
    answer = requests.get(url, timeout=5).json()
    return [alert for alert in answer if alert["labels"].get(label) == value]


def test_danger_mutes_the_warning_of_the_same_name(alertmanager: str, tmp_path: Path) -> None:
    assert _muted(alertmanager, tmp_path, RAM_WARNING, RAM_DANGER) == ["TrainwardenMemoryHigh warning"]


def test_danger_on_one_gpu_leaves_the_warning_of_another(alertmanager: str, tmp_path: Path) -> None:
    assert _muted(alertmanager, tmp_path, HOT_0, HOT_1_DANGER) == []


def test_hung_mutes_stalled_of_the_same_run(alertmanager: str, tmp_path: Path) -> None:
    assert _muted(alertmanager, tmp_path, HUNG, STALLED) == ["TrainwardenRunStalled critical"]


def test_hung_leaves_stalled_of_another_run(alertmanager: str, tmp_path: Path) -> None:
    assert _muted(alertmanager, tmp_path, HUNG, {**STALLED, "run": "other"}) == []


def test_steps_that_nobody_counts_are_no_stall(alertmanager: str, tmp_path: Path) -> None:
    assert _muted(alertmanager, tmp_path, SILENT, STALLED) == ["TrainwardenRunStalled critical"]


def test_a_run_that_became_slower_than_its_limit_is_told_once(alertmanager: str, tmp_path: Path) -> None:
    other = {**SLOW, "run": "other"}
    assert _muted(alertmanager, tmp_path, SLOWING, SLOW, other) == ["TrainwardenRunSlow warning"]


def test_what_was_saved_into_a_folder_that_is_gone_is_not_overdue(alertmanager: str, tmp_path: Path) -> None:
    other = {**OVERDUE, "run": "other"}
    muted = _muted(alertmanager, tmp_path, FOLDER_GONE, OVERDUE, other)
    assert muted == ["TrainwardenCheckpointOverdue warning"], "that of the run whose folder it is"


def test_without_the_exporter_the_rest_of_the_machine_is_muted_but_nothing_that_restarts_or_calls(
    alertmanager: str, tmp_path: Path
) -> None:
    everything = (EXPORTER_DOWN, RECEIVER_DOWN, NEEDS_HUMAN, RECOVERED, HUNG, CRASHED, RAM_WARNING, HOT_1_DANGER)
    muted = _muted(alertmanager, tmp_path, *everything)
    assert muted == ["TrainwardenGpuHot critical", "TrainwardenMemoryHigh warning"]


def test_no_other_alert_mutes_one_that_restarts(alertmanager: str, tmp_path: Path) -> None:
    others = (STALLED, SILENT, NEEDS_HUMAN, RECEIVER_DOWN, RAM_DANGER, HOT_1_DANGER)
    muted = _muted(alertmanager, tmp_path, HUNG, CRASHED, *others)
    assert not any("Hung" in name or "Crashed" in name for name in muted)


def test_an_alert_that_names_no_machine_neither_mutes_nor_is_muted(alertmanager: str, tmp_path: Path) -> None:
    """A label that is missing on both sides counts as equal: unguarded, each of these would mute the other's like."""
    nowhere = {"alertname": "TrainwardenMemoryHigh", "case": tmp_path.name}
    posted = [{**nowhere, "severity": severity} for severity in ("warning", "critical")]
    posted.append({"alertname": "TrainwardenExporterDown", "severity": "critical", "case": tmp_path.name})
    _post(alertmanager, posted)
    assert [alert["status"]["inhibitedBy"] for alert in _standing(alertmanager, tmp_path)] == [[], [], []]
