"""Trainings that trainwarden did not start, under the whole stack: told when they die or hang, and never touched.

``test_hung.py`` shows that the same night restarts a run of its own.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.night import FIRING_TIME, Night, Run, night
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

GPUS = {"hangs": 0, "dies": 1, "unread": 2, "healthy": 3}
HANG = 25


class Attached(Run):
    """A training started by its user, its output in a file, and attached."""

    def __init__(self, watch: Night, name: str, *options: str, log: bool = True) -> None:
        super().__init__(watch, name)
        self._watch = watch
        home = watch.folder / "user"
        home.mkdir(exist_ok=True)
        length = ["--max_train_epochs", "100", "--steps_per_epoch", "20", "--step_seconds", "0.1"]
        where = ["--output_dir", str(self.checkpoints), "--output_name", name, "--save_state"]
        output = home / f"{name}.log"
        with output.open("wb") as file:
            self.training = subprocess.Popen(
                [sys.executable, "-u", "-m", "trainwarden.demo", *where, *length, *options],
                cwd=home,
                stdout=file,
                stderr=file,
                env=watch.environment,
            )
        wait_until(lambda: b"steps:" in output.read_bytes(), 30, f"{name} trains")
        self.trainwarden("attach", name, "--pid", str(self.training.pid), *(["--log", str(output)] if log else []))

    def trainwarden(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = [sys.executable, "-m", "trainwarden", "--config", str(self._watch.folder / "trainwarden.yml")]
        environment = self._watch.environment
        return subprocess.run([*own, *arguments], env=environment, capture_output=True, text=True, check=True)


@pytest.fixture(scope="module")
def watch(folder: Path, tools: Tools, driver: FakeDriver) -> Iterator[Night]:
    with night(folder, tools, driver, {name: {"gpus": [gpu]} for name, gpu in GPUS.items()}) as made:
        yield made


@pytest.fixture(scope="module")
def runs(watch: Night) -> Iterator[dict[str, Attached]]:
    saving = ["--save_every_n_epochs", "1"]
    found = {
        "hangs": Attached(watch, "hangs", *saving, "--hang-at-step", str(HANG)),
        "dies": Attached(watch, "dies", *saving),
        "unread": Attached(watch, "unread", log=False),
        "healthy": Attached(watch, "healthy"),
    }
    wait_until(lambda: found["hangs"].step() >= HANG - 1, 60, "it reaches the step in which it hangs")
    watch.driver.set(gpu=GPUS["hangs"], utilization=0)
    watch.driver.set(gpu=GPUS["unread"], utilization=0)
    found["dies"].training.send_signal(signal.SIGKILL)
    found["dies"].training.wait()
    yield found
    for run in found.values():
        run.training.kill()
        run.training.wait()


def until_called(watch: Night, name: str) -> None:
    alert = f'ALERTS{{alertname="TrainwardenRestartGaveUp",alertstate="firing",run="{name}",reason="attached"}}'
    wait_until(lambda: watch.query(alert), 90, f"a human is called for {name}")


@pytest.mark.parametrize("name", ["hangs", "dies"])
def test_a_human_is_called_and_nothing_was_stopped_or_started(
    watch: Night, runs: dict[str, Attached], name: str
) -> None:
    run = runs[name]
    until_called(watch, name)
    assert [entry["reason"] for entry in run.ledger("gaveup")] == ["attached"]
    assert [run.ledger(event) for event in ("decided", "stopping", "launched")] == [[], [], []]
    assert run.generation() == 1
    if name == "hangs":
        assert run.training.poll() is None
        assert run.state is not None and run.state.ended is None


def test_of_one_whose_output_nobody_reads_no_alert_speaks_though_its_gpu_is_idle_and_nothing_is_saved(
    watch: Night, runs: dict[str, Attached]
) -> None:
    run = runs["unread"]
    state = run.state
    wait_until(lambda: run.state.beat_at - state.started_at > 3 * FIRING_TIME, 120, "three times the firing time")
    # Five minutes without a beat are five seconds here, which a busy machine may well take.
    spoken = 'ALERTS{run="unread",alertstate="firing",alertname!="TrainwardenRunSupervisorSilent"}'
    assert watch.query(f"count_over_time({spoken}[5m])") == []
    assert watch.query('trainwarden_run_up{run="unread"} == 1')
    assert watch.query('trainwarden_run_phase{run="unread"} == 1') == []
    assert run.training.poll() is None


def test_a_healthy_one_is_shown_like_any_other_and_left_alone(watch: Night, runs: dict[str, Attached]) -> None:
    run = runs["healthy"]
    info = watch.query('trainwarden_run_info{run="healthy"}')
    assert [labels["pid_source"] for labels, _ in info] == ["observer"]
    assert watch.query('trainwarden_run_phase{run="healthy",phase="training"} == 1')
    before = run.step()
    wait_until(lambda: run.step() > before, 10, "it trains on")
    assert watch.query('count_over_time(ALERTS{run="healthy",severity="critical"}[5m])') == []
    assert run.training.poll() is None


def test_detaching_leaves_it_running_and_alarms_nobody(watch: Night, runs: dict[str, Attached]) -> None:
    run = runs["healthy"]
    assert run.trainwarden("detach", "healthy").stdout.startswith("run 'healthy' is not watched any more")
    wait_until(lambda: watch.query('trainwarden_run_phase{run="healthy",phase="stopped"} == 1'), 15, "it is shown")
    start = watch.now()
    wait_until(lambda: watch.now() - start > 10, 30, "ten minutes of the rules")
    assert watch.query('count_over_time(ALERTS{run="healthy",severity="critical"}[5m])') == []
    assert run.training.poll() is None
