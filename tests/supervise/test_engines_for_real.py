"""A run that Docker or Slurm launches, from its launch to the next generation and to its end: on the real daemons."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.supervise.conftest import Runs, output, state, step, stop, until_closed, until_state
from tests.support.docker import Docker
from tests.support.engines import by_slurm, in_docker
from tests.support.slurm import Slurm
from tests.support.wait import wait_until
from trainwarden.errors import TrainwardenError
from trainwarden.model import Outcome, RunState
from trainwarden.runs import control
from trainwarden.runs.attendance import SUPERVISOR_LOCK, is_held
from trainwarden.runs.control import Start
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import launch

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(400)]
SECONDS = 60


Launched = Callable[..., RunFolder]


@pytest.fixture(params=["slurm", "docker"])
def launched(request: pytest.FixtureRequest, runs: Runs, tmp_path: Path) -> Iterator[Launched]:
    """Launches the demo: 4 epochs of 5 steps."""
    daemon = request.getfixturevalue(request.param)
    begun: list[RunFolder] = []

    def launch_it(*options: str) -> RunFolder:
        command = runs.demo(*options)
        launcher = by_slurm(tmp_path) if request.param == "slurm" else in_docker(daemon, tmp_path, command)
        begun.append(runs.start(command, launcher=launcher))
        return begun[-1]

    yield launch_it
    for folder in begun:
        for _ in over(folder):
            pass


@pytest.fixture
def folder(launched: Launched) -> RunFolder:
    """A run that dies of a CUDA error in its third epoch."""
    return launched("--step_seconds", "0.2", "--crash-at-step", "13")


@pytest.fixture
def steady(launched: Launched) -> RunFolder:
    """A run that is not over before its test is."""
    return launched("--step_seconds", "1")


def over(folder: RunFolder) -> Iterator[RunFolder]:
    yield folder
    with suppress(TrainwardenError):  # it may be over
        stop(folder, final=True)
    wait_until(lambda: not is_held(folder.path / SUPERVISOR_LOCK), SECONDS, "its supervisor is gone")


def until_it_ended(folder: RunFolder, seconds: float = SECONDS) -> RunState:
    return until_state(folder, lambda found: found.ended is not None, seconds, "the generation has ended")


def start(folder: RunFolder, generation: int, epoch: int) -> None:
    spec = folder.read_spec()
    assert spec is not None
    wanted = Start(f"{spec.checkpoints}/luca-{epoch:06d}-state", generation)
    control.ask(folder, wanted, timeout=SECONDS)


def test_a_crash_is_seen_with_its_status_and_the_next_generation_goes_on(folder: RunFolder) -> None:
    wait_until(lambda: step(folder) >= 5, SECONDS, "its steps are seen")
    ended = until_it_ended(folder)
    assert ended.ended is not None
    assert (ended.ended.outcome, ended.ended.exit_code) == (Outcome.CRASHED, 1)
    assert "CUDA error" in output(folder)
    start(folder, 2, epoch=2)
    closed = until_closed(folder, 2 * SECONDS)
    assert closed.ended is not None
    assert (closed.generation, closed.ended.outcome) == (2, Outcome.FINISHED)
    assert "epoch 3/4" in output(folder, 2) and "epoch 1/4" not in output(folder, 2)


def test_a_stop_ends_it_and_the_run_is_closed(steady: RunFolder) -> None:
    wait_until(lambda: step(steady) >= 2, SECONDS, "it trains")
    stop(steady, final=True)
    closed = until_closed(steady, SECONDS)
    assert closed.ended is not None and closed.ended.outcome is Outcome.STOPPED_BY_USER
    assert closed.generation == 1


def test_a_stop_for_a_restart_is_no_end_by_hand(steady: RunFolder) -> None:
    wait_until(lambda: step(steady) >= 7, SECONDS, "it trains, and has saved")
    stop(steady, by="receiver", final=False)
    ended = until_it_ended(steady)
    assert ended.ended is not None and ended.ended.outcome is Outcome.STOPPED_FOR_RESTART
    start(steady, 2, epoch=1)
    until_state(steady, lambda found: found.generation == 2, SECONDS, "the next generation")


def test_the_training_goes_on_without_its_supervisor_and_another_sees_its_end(folder: RunFolder) -> None:
    wait_until(lambda: step(folder) >= 2, SECONDS, "it trains")
    before = state(folder)
    assert before.supervisor is not None
    os.kill(before.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not is_held(folder.path / SUPERVISOR_LOCK), SECONDS, "the supervisor is gone")
    launch.attend(folder)
    ended = until_it_ended(folder)
    assert ended.ended is not None
    assert (ended.generation, ended.ended.outcome, ended.ended.exit_code) == (1, Outcome.CRASHED, 1)
    said = output(folder)
    assert said.count("running training") == 1 and said.count("CUDA error") == 1, "its output is there, once"


def test_a_container_that_somebody_stops_is_stopped_by_hand(docker: Docker, runs: Runs, tmp_path: Path) -> None:
    command = runs.demo("--step_seconds", "1")
    launcher = in_docker(docker, tmp_path, command)
    docker.well("POST", "/containers/luca/start")
    for folder in over(runs.start(command, launcher=launcher)):
        wait_until(lambda folder=folder: step(folder) >= 2, SECONDS, "it trains")  # type: ignore[misc]
        assert state(folder).members, "its processes are this machine's, and seen"
        docker.well("POST", "/containers/luca/stop?t=2")
        ended = until_it_ended(folder).ended
        assert ended is not None and ended.outcome is Outcome.STOPPED_BY_USER
        assert len(docker.well("GET", "/containers/json?all=1")) == 1, "the user's own container was taken as it ran"


def test_a_container_that_docker_would_start_again_is_not_taken(docker: Docker, runs: Runs, tmp_path: Path) -> None:
    command = runs.demo("--step_seconds", "1")
    launcher = in_docker(docker, tmp_path, command)
    docker.well("POST", "/containers/luca/update", {"RestartPolicy": {"Name": "always"}})
    docker.well("POST", "/containers/luca/start")
    with pytest.raises(TrainwardenError, match=r"restart policy always.*docker update --restart=no luca"):
        runs.start(command, launcher=launcher)
    assert docker.inspect("luca")["State"]["Running"], "and goes on as it was"


def test_a_job_that_somebody_cancels_is_stopped_by_hand(slurm: Slurm, runs: Runs, tmp_path: Path) -> None:
    for folder in over(runs.start(runs.demo("--step_seconds", "1"), launcher=by_slurm(tmp_path))):
        wait_until(lambda folder=folder: step(folder) >= 2, SECONDS, "it trains")  # type: ignore[misc]
        slurm.ask("scancel", *slurm.ask("squeue", "--noheader", "--format=%i").split())
        ended = until_it_ended(folder).ended
        assert ended is not None and ended.outcome is Outcome.STOPPED_BY_USER


def test_a_job_whose_time_is_over_is_a_crash_though_slurm_sent_sigterm(
    slurm: Slurm, runs: Runs, tmp_path: Path
) -> None:
    """Slurm counts limits in minutes, so this takes one or two."""
    launcher = by_slurm(tmp_path, "--time=1")
    for folder in over(runs.start(runs.demo("--step_seconds", "30"), launcher=launcher)):
        ended = until_it_ended(folder, 200).ended
        assert ended is not None
        assert (ended.outcome, ended.exit_code, ended.signal) == (Outcome.CRASHED, None, None)
        assert folder.exited_path(1).exists(), "though the wrapper saw the signal"
