"""The dashboard of a run, asked about a night that went wrong and was mended: by a real Prometheus."""

import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
import requests

from tests.grafana import board as boards
from tests.grafana import night
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden import names
from trainwarden.stack.tools import Tools

BOARD = boards.load(boards.FOLDER / "dashboards/run.json")
EVERY = 30.0
HOUR = 3600

Ask = Callable[[str, float], list[str]]


@pytest.fixture(scope="module")
def prometheus(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that remembers the night."""
    folder = tmp_path_factory.mktemp("night")
    (folder / "night.om").write_text("".join(night.openmetrics(EVERY)))
    (folder / "prometheus.yml").touch()
    backfill = [tools.promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "night.om", folder / "data"]
    subprocess.run(backfill, check=True, capture_output=True)
    address = f"127.0.0.1:{free_port()}"
    command = [tools.prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += ["--storage.tsdb.retention.time=100y", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _is_ready(address), 30, "Prometheus is ready")
            yield f"http://{address}"
        finally:
            process.terminate()


@pytest.fixture
def ask(prometheus: str) -> Ask:
    """The references of a panel's queries that have an answer, so many seconds into the night."""

    def answered(title: str, seconds: float) -> list[str]:
        (panel,) = (panel for panel in boards.panels(BOARD) if panel["title"] == title)
        return [t["refId"] for t in panel["targets"] if _answer(prometheus, t["expr"], seconds)]

    return answered


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"http://{address}/-/ready", timeout=1).ok
    except requests.ConnectionError:
        return False


def _answer(prometheus: str, expression: str, seconds: float) -> list[float]:
    query = boards.filled(expression, instance=night.INSTANCE, run=night.RUN)
    parameters: dict[str, str | float] = {"query": query, "time": night.BEGIN + seconds}
    answer = requests.get(f"{prometheus}/api/v1/query", params=parameters, timeout=10).json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    return [float(series["value"][1]) for series in answer["data"]["result"]]


def test_the_night_has_every_family_that_the_dashboard_asks_for() -> None:
    """Else a panel could stay empty here for want of data, and nobody would know whether its query is right."""
    trainer, seen = night.Trainer(), set()
    for moment in (2 * HOUR, night.STOP + 30):
        trainer.advance(moment)
        seen |= {sample.name for sample in night.scrape(trainer, moment)}
    asked = " ".join(target["expr"] for panel in boards.panels(BOARD) for target in panel["targets"])
    for family in (*names.EXPORTER_FAMILIES, *names.RECEIVER_FAMILIES):
        if re.search(rf"\b{family.name}(_bucket)?\b", asked):
            assert (f"{family.name}_bucket" if family.kind == "histogram" else family.name) in seen


@pytest.mark.parametrize("panel", boards.panels(BOARD), ids=lambda panel: str(panel["title"]))
def test_every_panel_has_something_to_show(prometheus: str, panel: boards.Panel) -> None:
    assert any(_answer(prometheus, target["expr"], night.END) for target in panel["targets"])


def test_every_annotation_marks_something(prometheus: str) -> None:
    for marks in BOARD["annotations"]["list"]:
        assert _answer(prometheus, marks["expr"], night.END), marks["name"]


def test_an_old_checkpoint_is_called_a_hang_only_with_an_idle_gpu(ask: Ask) -> None:
    within, past, hung = "A", "B", "C"
    assert ask("Checkpoint age", 1.5 * HOUR) == [within]
    assert ask("Checkpoint age", 2.2 * HOUR) == [past]
    assert ask("Checkpoint age", night.ALERT) == [hung]


def test_before_the_first_checkpoint_nothing_is_said_about_its_age(ask: Ask) -> None:
    assert ask("Checkpoint age", 0.5 * HOUR) == []


@pytest.mark.parametrize("seconds", [600, 2 * HOUR, night.END])
def test_the_time_left_is_near_the_truth_as_soon_as_steps_are_taken(prometheus: str, seconds: float) -> None:
    (panel,) = (panel for panel in boards.panels(BOARD) if panel["title"] == "Time left")
    step = f'{names.RUN_STEP.name}{{instance="$instance", run="$run"}}'
    (left,), (done,) = (_answer(prometheus, asked, seconds) for asked in (panel["targets"][0]["expr"], step))
    assert left == pytest.approx((night.EPOCH * night.EPOCHS - done) * 2.47, rel=0.05)


def test_there_is_no_estimate_while_it_hangs_nor_just_after_the_resume(ask: Ask) -> None:
    assert ask("Time left", night.ALERT) == []
    assert ask("Time left", night.RELAUNCH + 480) == []


def test_a_step_time_is_shown_only_while_steps_are_taken(ask: Ask) -> None:
    assert "A" in ask("Step time", HOUR)
    assert "A" not in ask("Step time", night.ALERT)


def test_without_a_run_the_panels_of_words_say_so(prometheus: str) -> None:
    for panel in boards.panels(BOARD):
        if panel["type"] == "stat" and panel["options"]["textMode"] == "name":
            expression = panel["targets"][-1]["expr"].replace("$run", "nobody")
            assert _answer(prometheus, expression, night.END), panel["title"]
            assert not _answer(prometheus, panel["targets"][-1]["expr"], night.END), panel["title"]
