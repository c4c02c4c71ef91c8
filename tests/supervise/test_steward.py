"""A run that an engine launches: supervised like any other, from its launch to the next generation and to its end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tests.launchers.conftest import server  # noqa: F401  (a fixture)
from tests.supervise.conftest import Runs, output, state, step, stop, until_closed, until_ended, until_state
from tests.support.engines import by_command
from tests.support.wait import wait_until
from trainwarden.errors import RefusedError, RunFolderError, TrainwardenError
from trainwarden.launching import Launching, TmuxOptions
from trainwarden.model import Outcome
from trainwarden.runs import control
from trainwarden.runs.attendance import SUPERVISOR_LOCK, is_held
from trainwarden.runs.control import Probe, Start
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import launch
from trainwarden.supervise.execute import read_exit, take


@pytest.fixture(params=["tmux", "command"])
def launcher(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Launching:  # noqa: F811
    if request.param == "tmux":
        return Launching(tmux=TmuxOptions(server=server))
    return by_command(tmp_path)


@pytest.fixture
def folder(runs: Runs, launcher: Launching) -> Iterator[RunFolder]:
    """A run of 4 epochs of 5 steps that dies of a CUDA error in its third."""
    folder = runs.start(runs.demo("--step_seconds", "0.1", "--crash-at-step", "13"), launcher=launcher)
    yield folder
    with suppress(TrainwardenError):  # it may be over
        stop(folder, final=True)
    wait_until(lambda: not is_held(folder.path / SUPERVISOR_LOCK), 20, "its supervisor is gone")


def checkpoint(folder: RunFolder, epoch: int) -> str:
    spec = folder.read_spec()
    assert spec is not None
    return f"{spec.checkpoints}/luca-{epoch:06d}-state"


def test_a_crash_is_seen_with_its_status_and_the_next_generation_ends_as_it_should(folder: RunFolder) -> None:
    wait_until(lambda: step(folder) >= 5, 30, "its steps are seen")
    ended = until_ended(folder, 30)
    assert ended.ended is not None
    assert (ended.ended.outcome, ended.ended.exit_code) == (Outcome.CRASHED, 1)
    assert "CUDA error" in ended.last_words
    control.ask(folder, Start(checkpoint(folder, 2), 2, rehearsal=True), timeout=60)
    assert state(folder).generation == 1
    control.ask(folder, Start(checkpoint(folder, 2), 2), timeout=60)
    with pytest.raises(RefusedError, match="launched already"):
        control.ask(folder, Start(checkpoint(folder, 2), 2), timeout=60)
    closed = until_closed(folder, 40)
    assert closed.ended is not None
    assert (closed.generation, closed.ended.outcome) == (2, Outcome.FINISHED)
    assert "epoch 3/4" in output(folder, 2) and "epoch 1/4" not in output(folder, 2)


def test_a_stop_ends_every_process_of_it(folder: RunFolder) -> None:
    wait_until(lambda: step(folder) >= 2, 30, "it trains")
    assert [member for member in control.ask(folder, Probe()).members if member.state != "Z"]
    stop(folder, by="receiver", final=False)
    ended = until_state(folder, lambda found: found.ended is not None and found.stopping_since is None, 30)
    assert ended.ended is not None and ended.ended.outcome is Outcome.STOPPED_FOR_RESTART
    assert not [member for member in ended.members if member.state != "Z"]


def test_the_training_goes_on_without_its_supervisor_and_another_finds_it(folder: RunFolder) -> None:
    wait_until(lambda: step(folder) >= 2, 30, "it trains")
    before = state(folder)
    assert before.supervisor is not None
    os.kill(before.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not is_held(folder.path / SUPERVISOR_LOCK), 10, "the supervisor is gone")
    launch.attend(folder)
    with pytest.raises(RunFolderError, match="is supervised already"):
        launch.attend(folder)
    ended = until_ended(folder, 30)
    assert ended.ended is not None
    assert (ended.generation, ended.ended.exit_code) == (1, 1)
    assert output(folder).count("running training") == 1


def test_an_order_is_taken_once(tmp_path: Path, runs: Runs) -> None:
    folder = RunFolder("luca")
    folder.create()
    with pytest.raises(RefusedError, match="has no order"):
        take(folder)
    order = b'{"name":"luca","run_id":"r","generation":3,"argv":["true"],"cwd":"/","output":"/dev/null"}'
    folder.order_path(3).write_bytes(order)
    assert take(folder).argv == ["true"]
    with pytest.raises(RefusedError, match="would begin from zero"):
        take(folder)
    again = subprocess.run(
        [sys.executable, "-m", "trainwarden", "exec", "luca"], capture_output=True, text=True, check=False, timeout=30
    )
    assert again.returncode == os.EX_TEMPFAIL
    assert "generation 3 of run 'luca' was launched already" in again.stderr


def test_a_tmux_server_that_dies_takes_the_training_with_it_and_the_next_generation_gets_a_new_one(
    runs: Runs,
    server: str,  # noqa: F811
) -> None:
    folder = runs.start(runs.demo("--step_seconds", "0.1"), launcher=Launching(tmux=TmuxOptions(server=server)))
    wait_until(lambda: step(folder) >= 7, 30, "it trains, and has saved")
    asked = subprocess.run(
        ["tmux", "-S", server, "display-message", "-p", "#{pid}"], capture_output=True, check=True, text=True
    )
    os.kill(int(asked.stdout), signal.SIGKILL)
    ended = until_ended(folder, 30)
    assert ended.ended is not None and ended.ended.outcome is Outcome.CRASHED
    wait_until(lambda: not [m for m in state(folder).members if m.state != "Z"], 20, "nobody of it is left")
    control.ask(folder, Start(checkpoint(folder, 1), 2), timeout=60)
    closed = until_closed(folder, 40)
    assert closed.ended is not None
    assert (closed.generation, closed.ended.outcome) == (2, Outcome.FINISHED)


def test_who_closes_its_pane_stops_the_run_for_good(runs: Runs, server: str) -> None:  # noqa: F811
    folder = runs.start(runs.demo("--step_seconds", "0.2"), launcher=Launching(tmux=TmuxOptions(server=server)))
    wait_until(lambda: step(folder) >= 2, 30, "it trains")
    subprocess.run(["tmux", "-S", server, "kill-session", "-t", "luca"], check=True, timeout=10)
    closed = until_closed(folder, 30)
    assert closed.ended is not None and closed.ended.outcome is Outcome.STOPPED_BY_USER


def test_a_stop_from_outside_is_written_down_before_it_is_passed_on(runs: Runs, tmp_path: Path) -> None:
    folder = RunFolder("luca")
    folder.create()
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(60)"
    order = {
        "name": "luca", "run_id": "r", "generation": 1, "argv": [sys.executable, "-c", code], "cwd": "/",
        "output": str(tmp_path / "out.log"),
    }  # fmt: skip
    folder.order_path(1).write_bytes(msgspec.json.encode(order))
    wrapper = subprocess.Popen([sys.executable, "-m", "trainwarden", "exec", "luca"])
    try:
        wait_until(
            lambda: "up" in (tmp_path / "out.log").read_text() if (tmp_path / "out.log").exists() else "", 20, "up"
        )
        wrapper.terminate()
        ended = wait_until(lambda: read_exit(folder, 1), 10, "it is written down")
        assert (ended.code, ended.signal) == (None, signal.SIGTERM)
        assert wrapper.poll() is None
    finally:
        for pid in _children(wrapper.pid):
            os.kill(pid, signal.SIGKILL)
        wrapper.wait(10)
    ended = read_exit(folder, 1)
    assert ended is not None and ended.signal == signal.SIGKILL, "and how it really ended"


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
