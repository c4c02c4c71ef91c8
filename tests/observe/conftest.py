"""Real trainings that trainwarden did not start, in a throwaway state home; nothing of them is left after a test."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.supervise.conftest import processes_of
from tests.support.wait import wait_until
from trainwarden.config import Config
from trainwarden.model import Progress, RunState
from trainwarden.observe import attach as observe
from trainwarden.observe.attach import Attached, What
from trainwarden.observe.training import read_command
from trainwarden.runs.folder import RunFolder, best_progress
from trainwarden.runs.identity import DEAD_STATES
from trainwarden.system import read_stat

PYTHON = sys.executable


class Trainings:
    """Starts trainings as a user would, and attaches to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "train.log"
        self.checkpoints = folder / "out"
        self._started: list[subprocess.Popen[bytes]] = []

    def demo(self, *options: str, epochs: int = 500, step_seconds: float = 0.05) -> list[str]:
        """The demo training: 5 steps an epoch; for ever, as far as a test is concerned, unless told otherwise."""
        saving = ["--save_state", "--save_every_n_epochs", "1", "--save_last_n_epochs", "1"]
        length = ["--max_train_epochs", str(epochs), "--steps_per_epoch", "5", "--step_seconds", str(step_seconds)]
        where = ["--output_dir", str(self.checkpoints), "--output_name", "luca"]
        return [PYTHON, "-u", "-m", "trainwarden.demo", *where, *length, *saving, *options]

    def start(self, command: list[str], *, append: bool = True) -> subprocess.Popen[bytes]:
        """Start it, its output in the log."""
        with self.log.open("ab" if append else "wb") as log:
            started = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self._started.append(started)
        # Between fork and exec it is still this test.
        wait_until(lambda: read_command(started.pid)[:1] == command[:1], 10, "it has become the training")
        return started

    def attach(self, name: str = "luca", **what: Any) -> Attached:
        """`trainwarden attach`."""
        return observe.attach(name, What(**what), Config())

    def reap(self) -> None:
        """Wait for every training that is dead."""
        for started in self._started:
            started.poll()


@pytest.fixture
def trainings(state_home: Path, tmp_path: Path) -> Iterator[Trainings]:
    found = Trainings(tmp_path)
    yield found
    for pid in processes_of(state_home):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    found.reap()
    wait_until(lambda: not processes_of(state_home), 10, "the processes of the test are gone")


class Tmux:
    """A tmux server of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-f", "/dev/null", *arguments], check=True, capture_output=True, text=True, timeout=20
        ).stdout.strip()

    def session(self, name: str, *command: str) -> None:
        """A detached session; without a command, the shell that users have."""
        self(
            "new-session",
            "-d",
            "-s",
            name,
            "-x",
            "120",
            "-y",
            "40",
            "-c",
            str(self.folder),
            *(command or ("bash --norc",)),
        )

    def type(self, name: str, line: str) -> None:
        """What the user types."""
        self("send-keys", "-t", f"={name}:", line, "Enter")

    def pipe(self, name: str) -> str:
        """1 where the pane has a pipe."""
        return self("display-message", "-p", "-t", f"={name}:", "#{pane_pipe}")


@pytest.fixture
def tmux(
    tmp_path_factory: pytest.TempPathFactory, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tmux]:
    if shutil.which("tmux") is None:
        sentence = "these tests need tmux: install it (apt install tmux)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    sockets = tmp_path_factory.mktemp("tmux")
    monkeypatch.setenv("TMUX_TMPDIR", str(sockets))
    monkeypatch.delenv("TMUX", raising=False)
    server = Tmux(trainings.folder)
    yield server
    subprocess.run(["tmux", "kill-server"], check=False, capture_output=True)


def state(folder: RunFolder) -> RunState:
    found = folder.read_state()
    assert found is not None
    return found


def progress(folder: RunFolder) -> Progress:
    found = best_progress(folder.read_progress(), 1)
    assert found is not None
    return found


def until_step(folder: RunFolder, step: int, seconds: float = 20) -> Progress:
    wait_until(lambda: (progress(folder).step or 0) >= step, seconds, f"step {step} is seen")
    return progress(folder)


def until_ended(folder: RunFolder, seconds: float = 20) -> RunState:
    wait_until(lambda: state(folder).ended is not None, seconds, "the end is seen")
    return state(folder)


def lives(pid: int) -> bool:
    found = read_stat(pid)
    return found is not None and found.state not in DEAD_STATES


def observer_pid(folder: RunFolder) -> int:
    found = state(folder).supervisor
    assert found is not None
    return found.pid
