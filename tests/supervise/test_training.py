"""What a training meets: a terminal, its environment, its working directory; and what is kept of it."""

import json
import stat
from pathlib import Path

import pytest

from tests.supervise.conftest import (
    PYTHON,
    TICKING,
    Runs,
    output,
    stop,
    until_closed,
    until_ended,
    until_output,
    until_state,
)
from trainwarden.model import Outcome

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_bars_draw_because_the_output_is_a_terminal(runs: Runs) -> None:
    script = "import os,sys; print(sys.stdout.isatty(), sys.stderr.isatty(), os.get_terminal_size(), os.ctermid())"
    folder = runs.start([PYTHON, "-c", script])
    until_closed(folder)
    assert "True True os.terminal_size(columns=120, lines=40)" in output(folder)


def test_the_terminal_is_the_controlling_one(runs: Runs) -> None:
    folder = runs.start([PYTHON, "-c", "print('opened', open('/dev/tty', 'w').isatty())"])
    until_closed(folder)
    assert "opened True" in output(folder)


def test_steps_of_the_demo_are_followed_to_the_end(runs: Runs) -> None:
    folder = runs.start(runs.demo())
    ended = until_closed(folder)
    assert ended.ended is not None and ended.ended.outcome is Outcome.FINISHED
    (progress,) = folder.read_progress()
    assert (progress.step, progress.max_steps, progress.steps_done) == (20, 20, 20)


def test_the_environment_is_passed_on_and_stored_nowhere(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hf_very_secret")
    script = "from os import environ as e; print(len(e['MY_TOKEN']), e['TRAINWARDEN_RUN'], e['TRAINWARDEN_GENERATION'])"
    folder = runs.start([PYTHON, "-c", script])
    until_closed(folder)
    assert "14 luca 1" in output(folder)
    stored = [path for path in folder.path.rglob("*") if path.is_file() and b"hf_very_secret" in path.read_bytes()]
    assert stored == []


def test_flags_after_the_dashes_are_untouched(runs: Runs) -> None:
    given = ["--name", "a b", "", "$HOME", "*", "é\n"]
    folder = runs.start([PYTHON, "-c", "import sys,json; print(json.dumps(sys.argv[1:]))", *given])
    until_closed(folder)
    assert json.loads(output(folder)) == given


def test_signals_have_their_default_actions(runs: Runs) -> None:
    script = "import signal as s; print([s.getsignal(n).name for n in (s.SIGHUP, s.SIGTERM, s.SIGCHLD, s.SIGQUIT)])"
    folder = runs.start([PYTHON, "-c", script])
    until_closed(folder)
    assert output(folder).count("SIG_DFL") == 4


def test_the_working_directory_and_pwd_are_the_runs(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(["/bin/sh", "-c", "echo at $(/bin/pwd) $PWD"])
    until_closed(folder)
    assert f"at {tmp_path} {tmp_path}" in output(folder)


def test_exit_codes_of_the_training_are_recorded(runs: Runs) -> None:
    folder = runs.start(["/bin/sh", "-c", "echo it broke; exit 7"])
    found = until_ended(folder)
    assert found.ended is not None
    assert (found.ended.exit_code, found.ended.signal, found.ended.outcome) == (7, None, Outcome.CRASHED)
    assert found.last_words == "it broke"
    assert found.open, "a crashed run waits for the receiver"
    stop(folder)
    assert until_closed(folder).ended == found.ended


def test_a_command_that_vanished_is_exit_127_with_a_sentence(runs: Runs, tmp_path: Path) -> None:
    program = tmp_path / "train"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    folder = runs.start([str(program)])
    found = until_ended(folder)
    assert found.ended is not None and found.ended.exit_code == 127
    assert output(folder) == f"trainwarden: {program}: No such file or directory\n"
    stop(folder)


def test_everything_printed_just_before_the_exit_is_kept(runs: Runs) -> None:
    folder = runs.start([PYTHON, "-c", "import sys; sys.stdout.write('x' * 300_000 + 'END')"])
    until_closed(folder)
    assert output(folder).endswith("xEND") and len(output(folder)) == 300_003


def test_log_and_socket_are_the_owners_only(runs: Runs) -> None:
    folder = runs.start(TICKING)
    until_output(folder, "tick 1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    stop(folder)
    until_closed(folder)
    assert modes.pop("progress") == 0o700
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_members_memory_and_cpu_are_read(runs: Runs) -> None:
    burn = "import subprocess,sys\nsubprocess.Popen([sys.executable,'-c','while 1: pass'])\nwhile 1: pass"
    folder = runs.start([PYTHON, "-c", burn])
    found = until_state(folder, lambda s: len(s.members) == 2 and s.cpu_seconds > 0.5, what="two busy members")
    assert found.rss_bytes > 5_000_000
    assert found.io_bytes > 0
    assert found.gpus is None
    stop(folder)


def test_gpus_are_the_members_visible_devices(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,GPU-abc")
    folder = runs.start(TICKING)
    found = until_state(folder, lambda s: s.members, what="members")
    assert (found.gpus, found.gpus_by_bus) == (["1", "GPU-abc"], False)
    stop(folder)


def test_in_which_order_they_are_counted_is_told(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    folder = runs.start(TICKING)
    assert until_state(folder, lambda s: s.members, what="members").gpus_by_bus
    stop(folder)


def test_a_run_folder_with_a_path_of_200_characters(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path
    while len(str(deep)) < 200:
        deep = deep / "a-long-folder-name"
    deep.mkdir(parents=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(deep))
    folder = runs.start(TICKING)
    until_output(folder, "tick 2")
    stop(folder)
    found = until_closed(folder)
    assert found.ended is not None and found.ended.outcome is Outcome.STOPPED_BY_USER
