"""`trainwarden status` and `trainwarden watch` as a user has them: real processes, a real terminal."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from tests.status.conftest import World
from tests.support.hangfs import HangingFolder
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.model import Ended, Outcome, RunState
from trainwarden.status.report import Report

COMMAND = [sys.executable, "-m", "trainwarden"]
PROMPT_SECONDS = 8.0
"""The prompt is back by then on a busy machine, whatever hangs; the first look waits for 3 s."""


def trainwarden(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments],
        env={**os.environ, "COLUMNS": "80", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def told(*names: str, environment: Mapping[str, str] | None = None) -> Report:
    done = trainwarden("status", "--json", *names, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return msgspec.json.decode(done.stdout, type=Report)


def test_the_whole_table_without_any_configuration(world: World, nvml: FakeDriver) -> None:
    world.run().output_path(1).write_text("loss 0.09\n")
    done = trainwarden("status", environment=nvml.environment())
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("this machine: ", "RAM available", "NVIDIA GeForce RTX 4080 (luca)", "run luca: ", "loss 0.09"):
        assert text in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_json_is_read_back_whole_and_the_largest_process_is_in_it(world: World) -> None:
    world.run()
    report = told()
    assert report.runs["luca"].step == 400
    assert 0 < len(report.processes) <= 5
    assert report.processes == sorted(report.processes, key=lambda process: -process.memory_bytes)


def test_what_is_secret_in_a_command_line_is_not_told(world: World) -> None:
    big = "import sys; x = bytearray(300_000_000); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", big, "--api-key=geheim"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline()
        found = {process.pid: process.name for process in told().processes}
        child.communicate()
    assert re.fullmatch(r"python[\d.]* -c", found[child.pid])


def test_a_name_that_is_no_run_is_one_sentence(world: World) -> None:
    world.run("luca")
    for command in ("status", "watch"):
        done = trainwarden(command, "lucca")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"trainwarden: there is no run 'lucca' in {world.root}; runs there: luca\n"
    done = trainwarden("status", "no/name")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "run name 'no/name': a run's name is at most 64" in done.stderr


def test_a_mistake_in_the_configuration_is_one_sentence(world: World, tmp_path: Path) -> None:
    file = tmp_path / "trainwarden.yml"
    file.write_text("thresholds: {swap: {}}\n")
    done = trainwarden("--config", str(file), "status")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_the_configuration_named_decides(world: World, tmp_path: Path, nvml: FakeDriver) -> None:
    file = tmp_path / "trainwarden.yml"
    file.write_text("thresholds: {gpu_temperature_celsius: {warning: 40}}\n")
    done = trainwarden("--config", str(file), "status", "--json", environment=nvml.environment())
    signals = {signal["signal"]: signal["level"] for signal in json.loads(done.stdout)["machine"]["signals"]}
    assert signals["gpu_temperature_celsius"] == "warning"


def test_only_the_runs_that_are_named_also_one_that_ended_long_ago(world: World) -> None:
    (spec := world.run("luca")).write_state(_ended(spec.read_state(), days=30))
    world.run("mia")
    assert told().runs.keys() == {"mia"}
    assert told("luca").runs.keys() == {"luca"}
    done = trainwarden("status", "luca")
    assert "finished 30 d" in done.stdout
    assert "mia" not in done.stdout and "RAM" not in done.stdout


def _ended(state: RunState | None, *, days: int) -> RunState:
    assert state is not None
    ended = Ended(Outcome.FINISHED, time.time() - days * 86400, exit_code=0)
    return msgspec.structs.replace(state, open=False, ended=ended, beat_at=ended.at)


def test_a_hung_driver_takes_only_the_gpus_away(world: World, nvml: FakeDriver) -> None:
    nvml.set(mode="hang")
    world.run()
    began = time.monotonic()
    report = told(environment=nvml.environment())
    assert time.monotonic() - began < PROMPT_SECONDS
    assert [(fault.collector, fault.fault) for fault in report.faults] == [
        ("gpu", "the NVIDIA driver has not answered within 0.25 s; still waiting")
    ]
    assert report.runs["luca"].step == 400
    assert "There is no NVIDIA GPU" not in trainwarden("status", environment=nvml.environment()).stdout


def test_a_folder_that_hangs_takes_only_its_own_part_away(world: World, hanging: HangingFolder) -> None:
    world.run("luca", checkpoints=str(hanging.path))
    hanging.hang()
    began = time.monotonic()
    report = told(environment=hanging.environment())
    assert time.monotonic() - began < PROMPT_SECONDS
    assert report.runs["luca"].step == 400
    assert [fault.collector for fault in report.faults] == ["checkpoints"]


def test_where_the_runs_cannot_be_listed_none_is_called_unknown(world: World, hanging: HangingFolder) -> None:
    world.run("luca")
    hanging.hang()
    done = trainwarden("status", "luca", environment=hanging.moved(world.root).environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("trainwarden: run 'luca' could not be read: the folder of the runs, ")


class Terminal:
    """A command on a terminal of its own, 80 columns wide."""

    def __init__(self, *arguments: str) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.environ.pop("COLUMNS", None)
            os.environ["TERM"] = "xterm"
            os.execv(COMMAND[0], [*COMMAND, *arguments])
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
        os.set_blocking(self._master, False)
        self.seen = b""

    def read(self) -> bytes:
        with suppress(OSError):  # nothing new, or its end
            self.seen += os.read(self._master, 65536)
        return self.seen

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def code(self) -> int:
        def ended() -> tuple[int, int] | None:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (pid, status) if pid else None

        _, status = wait_until(ended, 10, "its end")
        return os.waitstatus_to_exitcode(status)


def children_of(pid: int) -> list[int]:
    found = map(system.read_stat, system.all_pids())
    return [stat.pid for stat in found if stat is not None and stat.parent == pid and stat.state != "Z"]


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    world.run()
    terminal = Terminal("watch", "--interval", "1")
    yield terminal
    if system.read_stat(terminal.pid):
        os.kill(terminal.pid, signal.SIGKILL)


def test_watch_draws_anew_in_place_and_ends_quietly_with_ctrl_c(world: World, terminal: Terminal) -> None:
    wait_until(lambda: b"400 of 1,000" in terminal.read(), 15, "the first look")
    folder = world.run()
    (steps,) = folder.read_progress()
    folder.write_progress(msgspec.structs.replace(steps, step=401))
    wait_until(lambda: b"401 of 1,000" in terminal.read(), 15, "the next look")
    (child,) = children_of(terminal.pid)
    terminal.press(b"\x03")
    assert terminal.code() == 0
    assert terminal.seen.startswith(b"\x1b[?1049h")
    assert b"\x1b[?1049l" in terminal.seen
    assert b"Traceback" not in terminal.seen and b"Aborted" not in terminal.seen
    wait_until(lambda: (stat := system.read_stat(child)) is None or stat.state == "Z", 5, "the end of who looked")


def test_watch_puts_the_terminal_back_where_it_is_ended(terminal: Terminal) -> None:
    wait_until(lambda: b"400 of 1,000" in terminal.read(), 15, "the first look")
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.code() == 128 + signal.SIGTERM
    assert b"\x1b[?1049l" in terminal.seen


def test_watch_goes_on_where_who_looks_has_died(terminal: Terminal) -> None:
    wait_until(lambda: b"400 of 1,000" in terminal.read(), 15, "the first look")
    (child,) = children_of(terminal.pid)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: b"what reads this machine has died" in terminal.read(), 15, "that it is said")
    said = len(terminal.seen)
    wait_until(lambda: b"400 of 1,000" in terminal.read()[said:], 15, "the next look")


def test_watch_into_a_pipe_says_each_look_below_the_last(world: World) -> None:
    command = [*COMMAND, "watch", "--interval", "1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watching:
        assert watching.stdout and watching.stderr
        looks = [msgspec.json.decode(watching.stdout.readline(), type=Report) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert (watching.wait(10), watching.stderr.read()) == (0, b"")
    assert looks[1].at - looks[0].at > 0.9
