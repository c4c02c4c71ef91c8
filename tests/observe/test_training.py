"""From one pid to the whole training, whichever of its processes was named."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden.errors import ConfigurationError
from trainwarden.names import RUN_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.observe import training
from trainwarden.observe.training import find, is_bare_shell, is_same_work

LAUNCHER = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
TRAINER = """
import os, time
for _ in range(2):
    if os.fork() == 0:
        break
open(f"pid.{os.getpid()}", "w").close()
time.sleep(600)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[list[int]]:
    """A launcher, a trainer, and two workers that it forked."""
    (tmp_path / "train_network.py").write_text(TRAINER)
    command = [sys.executable, "-c", LAUNCHER, "train_network.py", "--output_dir", "out", "--output_name", "luca"]
    started = subprocess.Popen(command, cwd=tmp_path, start_new_session=True)
    wait_until(lambda: len(list(tmp_path.glob("pid.*"))) == 3, 15, "trainer and workers are there")
    yield [started.pid, *sorted(int(path.suffix[1:]) for path in tmp_path.glob("pid.*"))]
    with suppress(ProcessLookupError):
        os.killpg(started.pid, 9)
    started.wait()


@pytest.mark.parametrize("which", range(4), ids=["launcher", "trainer", "worker", "other worker"])
def test_every_process_of_it_leads_to_its_launcher_and_its_command(tree: list[int], which: int, tmp_path: Path) -> None:
    found = find(tree[which])
    assert found.root.pid == tree[0]
    assert found.command[:4] == [sys.executable, "-c", LAUNCHER, "train_network.py"]
    assert found.cwd == tmp_path


def test_a_script_around_it_is_watched_by_the_command_inside(tmp_path: Path) -> None:
    (tmp_path / "train_network.py").write_text("import time; time.sleep(600)")
    (tmp_path / "go.sh").write_text(f"{sys.executable} train_network.py --output_dir out; true\n")
    started = subprocess.Popen(["bash", "go.sh"], cwd=tmp_path, start_new_session=True)
    try:
        wait_until(lambda: _child(started.pid, "train_network.py"), 15, "the script has come to it")
        found = find(started.pid)
        assert found.root.pid == started.pid
        assert found.command == [sys.executable, "train_network.py", "--output_dir", "out"]
    finally:
        os.killpg(started.pid, 9)
        started.wait()


@pytest.mark.parametrize(
    ("launcher", "trainer", "same"),
    [
        (["accelerate", "launch", "train.py", "--lr", "1"], ["python", "-u", "train.py", "--lr", "1"], True),
        (["torchrun", "--nproc_per_node=2", "-m", "pkg.train"], ["python", "-u", "-m", "pkg.train"], True),
        (["deepspeed", "train.py"], ["python", "/x/train.py"], False),
        (["bash", "-c", "python train.py"], ["python", "train.py"], False),
        (["bash"], ["python", "train.py"], False),
        (["python", "-m", "http.server"], ["python", "-m", "pkg.train"], False),
    ],
)
def test_a_launcher_names_the_script_that_it_launches(launcher: list[str], trainer: list[str], same: bool) -> None:
    assert is_same_work(launcher, trainer) is same


@pytest.mark.parametrize(
    ("command", "bare"),
    [
        (["-bash"], True),
        (["/usr/bin/zsh", "-i"], True),
        (["bash", "--norc"], True),
        (["bash", "train.sh"], False),
        (["sh", "-c", "python train.py"], False),
        (["python", "train.py"], False),
        ([], False),
    ],
)
def test_a_shell_is_bare_where_somebody_types_into_it(command: list[str], bare: bool) -> None:
    assert is_bare_shell(command) is bare


def test_a_server_of_tmux_is_no_launcher_though_its_command_line_names_the_script(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time; time.sleep(600)")
    server = f"exec -a tmux bash -c '{sys.executable} train.py & wait' new-session python train.py"
    started = subprocess.Popen(["bash", "-c", server], cwd=tmp_path, start_new_session=True)
    try:
        child = wait_until(lambda: _child(started.pid, "train.py"), 15, "the training is there")
        assert find(child).root.pid == child
    finally:
        os.killpg(started.pid, 9)
        started.wait()


def _child(parent: int, script: str) -> int | None:
    """The child that runs the script, once there is one: between fork and exec it is still its parent."""
    listed = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    commands = {int(child): training.read_command(int(child)) for child in listed}
    return next((child for child, command in commands.items() if command[1:2] == [script]), None)


# --- what is no training -----------------------------------------------------------------------------------


def test_a_process_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"pid 4194303: there is no such process \(any more\)"):
        find(4194303)


def test_a_dead_one_that_nobody_has_waited_for() -> None:
    started = subprocess.Popen(["true"])
    wait_until(lambda: getattr(training.system.read_stat(started.pid), "state", "Z") == "Z", 10, "it has ended")
    with pytest.raises(ConfigurationError, match="there is no such process"):
        find(started.pid)
    started.wait()


def test_a_shell_is_refused_and_what_runs_in_it_is_named() -> None:
    shell = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, start_new_session=True)
    assert shell.stdin is not None
    try:
        wait_until(lambda: training.read_command(shell.pid)[:1] == ["bash"], 10, "it is a shell")
        assert f"pid {shell.pid} is a shell (bash), not a training; nothing runs in it" in _refusal(shell.pid)
        shell.stdin.write(b"sleep 500\n")
        shell.stdin.flush()
        wait_until(lambda: "sleep" in _refusal(shell.pid), 10, "the shell runs something")
        assert "in it runs --pid" in _refusal(shell.pid)
        assert "(sleep 500)" in _refusal(shell.pid)
    finally:
        os.killpg(shell.pid, 9)
        shell.wait()


def _refusal(pid: int) -> str:
    with pytest.raises(ConfigurationError) as refused:
        find(pid)
    return str(refused.value)


def test_another_user_s_process_is_refused_by_the_user_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = training._user(os.getuid())
    monkeypatch.setattr(training.os, "geteuid", lambda: 54321)
    with pytest.raises(ConfigurationError, match=f"belongs to user {owner}: only that user, or root, can watch it"):
        find(os.getpid())


@pytest.mark.parametrize(
    ("environment", "whose"),
    [
        ({RUN_ID_ENVIRONMENT: "abc", RUN_ENVIRONMENT: "mia"}, "the run 'mia', which trainwarden started and watches"),
        ({RUN_ID_ENVIRONMENT: ""}, "trainwarden itself"),
    ],
)
def test_what_trainwarden_started_is_not_attached(environment: dict[str, str], whose: str) -> None:
    started = subprocess.Popen(["sleep", "500"], env={**os.environ, **environment})
    try:
        wait_until(lambda: training.read_command(started.pid)[:1] == ["sleep"], 10, "it is there")
        with pytest.raises(ConfigurationError, match=f"pid {started.pid} belongs to {whose}"):
            find(started.pid)
    finally:
        started.kill()
        started.wait()


def test_the_view_of_a_run_is_no_training(tmp_path: Path) -> None:
    program = tmp_path / "trainwarden"
    program.write_text("import time; time.sleep(500)")
    command = [sys.executable, str(program), "run", "luca", "--", "python", "train_network.py"]
    started = subprocess.Popen(command)
    try:
        wait_until(lambda: training.read_command(started.pid) == command, 10, "it is there")
        assert f"pid {started.pid} is trainwarden itself" in _refusal(started.pid)
    finally:
        started.kill()
        started.wait()


def test_a_thread_of_the_kernel_is_no_training() -> None:
    threads = [pid for pid in training.system.all_pids() if _is_kernel_thread(pid)]
    if not threads:
        pytest.skip("no thread of the kernel is seen from this container")
    with pytest.raises(ConfigurationError, match="is a thread of the kernel"):
        find(threads[0])


def _is_kernel_thread(pid: int) -> bool:
    stat = training.system.read_stat(pid)
    return stat is not None and stat.parent == 2 and os.geteuid() == 0


def test_finding_takes_a_moment_only(tree: list[int]) -> None:
    started = time.perf_counter()
    find(tree[-1])
    assert time.perf_counter() - started < 2.0
