"""`trainwarden run` as a user has it: in a terminal, in a pipe, in a chain; and `trainwarden stop`."""

import io
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervise.conftest import (
    PYTHON,
    QUICK,
    TICKING,
    Runs,
    keeper_pid,
    output,
    state,
    stop,
    until_closed,
    until_ended,
    until_output,
)
from tests.support.wait import wait_until
from trainwarden.errors import RunFolderError
from trainwarden.model import Outcome
from trainwarden.runs import control
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import viewer

pytestmark = pytest.mark.usefixtures("nothing_left")

CONFIGURATION = """\
runs:
  luca:
    limits: {term_grace: 0.6, kill_grace: 0.6, await_restart: 60}
"""


@pytest.fixture
def command(tmp_path: Path, runs: Runs) -> list[str]:
    """``trainwarden`` with short durations."""
    configuration = tmp_path / "trainwarden.yml"
    configuration.write_text(CONFIGURATION)
    return [sys.executable, "-m", "trainwarden", "--config", str(configuration)]


class Terminal:
    """A viewer on a terminal of its own, as in a terminal window."""

    def __init__(self, command: list[str]) -> None:
        pid, self.master = pty.fork()
        if pid == 0:
            os.execv(command[0], command)
        self.pid = pid
        self.seen = b""
        os.set_blocking(self.master, False)

    def until(self, text: bytes, seconds: float = 15) -> bytes:
        def look() -> bool:
            self.read()
            return text in self.seen

        wait_until(look, seconds, f"{text!r} on the terminal")
        return self.seen

    def read(self) -> None:
        try:
            self.seen += os.read(self.master, 65536)
        except (BlockingIOError, OSError):
            return

    def wait(self, seconds: float = 15) -> int:
        def look() -> tuple[int, int] | None:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (pid, status) if pid else None

        found = wait_until(look, seconds, "the viewer has ended")
        assert found is not None
        self.pid = 0
        return os.waitstatus_to_exitcode(found[1])

    def close(self) -> None:
        os.close(self.master)
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(command: list[str]) -> Iterator[Terminal]:
    opened = Terminal([*command, "run", "luca", "--", *TICKING])
    yield opened
    opened.close()


def test_ctrl_c_stops_the_run_for_good(terminal: Terminal) -> None:
    terminal.until(b"tick 3")
    os.write(terminal.master, b"\x03")
    assert terminal.wait() == 130
    found = until_closed(RunFolder("luca"))
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER
    assert b"\x1b[2mtrainwarden: stopping all its processes" in terminal.seen


def test_who_stops_the_run_is_not_told_to_wait_for_the_receiver(command: list[str]) -> None:
    """Though its last processes outlive it, so that it is not over yet when its end is shown."""
    deaf_child = "(trap '' TERM; sleep 30; sleep 30) & echo deaf; wait"
    terminal = Terminal([*command, "run", "luca", "--", "/bin/sh", "-c", deaf_child])
    try:
        terminal.until(b"deaf")
        os.write(terminal.master, b"\x03")
        assert terminal.wait() == 130
        assert b"generation 1 ended: " in terminal.seen
        assert b"The receiver has" not in terminal.seen
    finally:
        terminal.close()


def test_closed_terminal_ends_only_the_viewer(terminal: Terminal) -> None:
    terminal.until(b"tick 3")
    folder = RunFolder("luca")
    os.close(terminal.master)  # the window is closed: SIGHUP to the viewer's session
    terminal.master = os.open(os.devnull, os.O_RDONLY)
    assert terminal.wait() < 0
    before = output(folder)
    wait_until(lambda: len(output(folder)) > len(before) + 50, 15, "the training prints on")
    assert state(folder).ended is None
    viewer.stop(folder)


def test_killed_viewer_ends_alone(terminal: Terminal) -> None:
    terminal.until(b"tick 3")
    os.kill(terminal.pid, signal.SIGKILL)
    folder = RunFolder("luca")
    before = output(folder)
    wait_until(lambda: len(output(folder)) > len(before) + 50, 15, "the training prints on")
    viewer.stop(folder)


def test_second_ctrl_c_leaves_the_viewer_while_the_stop_goes_on(command: list[str]) -> None:
    deaf = "import signal,time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(600)"
    terminal = Terminal([*command, "run", "luca", "--", PYTHON, "-u", "-c", deaf])
    try:
        terminal.until(b"deaf")
        os.write(terminal.master, b"\x03")
        terminal.until(b"stopping")
        os.write(terminal.master, b"\x03")
        assert terminal.wait() == 130
    finally:
        terminal.close()
    found = until_closed(RunFolder("luca"))
    assert found.ended is not None and found.ended.signal == signal.SIGKILL


def test_chain_of_runs_of_one_name_follows_their_exit_codes(command: list[str], tmp_path: Path) -> None:
    one = " ".join(command)
    a, b, c = "sh -c 'echo first; sleep 0.3'", "sh -c 'kill -TERM $$'", "echo third"
    chain = f"{one} run a -- {a} && {one} run a -- {b} || {one} run a -- {c}"
    done = subprocess.run(["sh", "-c", chain], capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line in ("first", "third")] == ["first", "third"]
    assert "SIGTERM" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("kill -TERM $$", 143), ("kill -INT $$", 130)])
def test_exit_code_of_the_training_is_the_viewers(runs: Runs, script: str, code: int) -> None:
    folder = runs.start(["/bin/sh", "-c", script])
    assert viewer.view(folder, io.BytesIO()) == code


def test_crash_given_up_by_the_receiver_returns_its_exit_code(runs: Runs) -> None:
    folder = runs.start(["/bin/sh", "-c", "exit 9"])
    until_ended(folder)
    stop(folder, by="receiver", final=True)
    shown = io.BytesIO()
    assert viewer.view(folder, shown) == 9
    assert b"generation 1 ended: The training exited with status 9." in shown.getvalue()


def test_generations_are_shown_one_after_the_other(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(runs.demo("--crash-at-step", "12"))
    until_ended(folder)
    control.ask(folder, control.Start(checkpoint=str(tmp_path / "out/luca-000002-state"), generation=2), timeout=30)
    shown = io.BytesIO()
    assert viewer.view(folder, shown) == 0
    text = shown.getvalue().decode()
    assert text.index("CUDA error") < text.index("generation 2 goes on from") < text.rindex("epoch 3/4")
    assert "\r\n" not in text


def test_run_that_lost_keeper_and_supervisor_is_not_waited_for(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer, "_GONE_SECONDS", 0.3)
    folder = runs.start(["/bin/sh", "-c", "sleep 600"])
    supervisor = state(folder).supervisor
    assert supervisor is not None
    keeper = keeper_pid(folder)
    os.kill(keeper, signal.SIGSTOP)  # so that it starts no other
    os.kill(supervisor.pid, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    shown = io.BytesIO()
    assert viewer.view(folder, shown) == 1
    assert b"nobody watches this run any more" in shown.getvalue()


def test_reader_of_the_pipe_gone_ends_only_the_viewer(command: list[str], tmp_path: Path) -> None:
    one = " ".join([*command, "run", "luca", "--", PYTHON, "-u", "-c", f"'{TICKING[3]}'"]).replace("'tick'", '"tick"')
    done = subprocess.run(["sh", "-c", f"{one} | head -n 2"], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "tick 1\ntick 2\n"
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    folder = RunFolder("luca")
    assert state(folder).ended is None
    viewer.stop(folder)


def test_stop_waits_until_the_run_is_over(runs: Runs) -> None:
    folder = runs.start(TICKING)
    until_output(folder, "tick 1")
    started = time.monotonic()
    viewer.stop(folder)
    assert not state(folder).open
    assert time.monotonic() - started < QUICK.term_grace + 10
    with pytest.raises(RunFolderError, match="run 'luca' is not live"):
        viewer.stop(folder)


def test_stop_of_an_unknown_run_names_the_known_ones(runs: Runs) -> None:
    until_closed(runs.start(["/bin/true"], name="nora"))
    with pytest.raises(RunFolderError, match=r"there is no run 'luca' in .*; runs there: nora"):
        viewer.stop(RunFolder("luca"))


def test_a_run_whose_end_the_disk_does_not_take_is_said_to_have_ended_and_closes_once_it_does(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "_STOP_MARGIN", 1.0)
    folder = runs.start(TICKING)
    until_output(folder, "tick 3")
    mine = [keeper_pid(folder), state(folder).supervisor.pid]
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    for pid in mine:  # the full disk that a test can have: no file may grow
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    with pytest.raises(RunFolderError) as caught:
        viewer.stop(folder)
    assert str(caught.value) == (
        f"run 'luca': all its processes have ended, and how cannot be written into {folder.path} (is the disk full?); "
        "it is over as soon as that can be"
    )
    for pid in mine:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    found = until_closed(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER
