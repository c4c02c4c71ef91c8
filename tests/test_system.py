"""What the kernel tells, and files that are replaced whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden import system


def test_a_process_has_one_identity_for_ever() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        stat = system.read_stat(child.pid)
        assert stat is not None
        assert (stat.pid, stat.parent) == (child.pid, os.getpid())
        assert stat.state in "SRD"
    finally:
        child.kill()
    # A zombie is still listed until it is reaped.
    wait_until(lambda: system.read_stat(child.pid).state == "Z", 5, "the killed child is a zombie")
    child.wait()
    assert system.read_stat(child.pid) is None


def test_a_command_with_brackets_and_spaces_does_not_shift_the_fields(tmp_path: Path) -> None:
    proc = tmp_path / "7"
    proc.mkdir()
    fields = "S 3 7 5 0 -1 0 0 0 0 0 150 50 0 0 20 0 4 0 987654 0 25"
    (proc / "stat").write_text(f"7 (a) b (c)) {fields} 0\n")
    stat = system.read_stat(7, tmp_path)
    assert (stat.state, stat.parent, stat.session, stat.threads, stat.start_time) == ("S", 3, 5, 4, 987654)
    assert stat.cpu_seconds == 200 / os.sysconf("SC_CLK_TCK")
    assert stat.rss_bytes == 25 * os.sysconf("SC_PAGE_SIZE")


def test_the_environment_of_another_process_is_read_and_of_none_is_empty() -> None:
    child = subprocess.Popen(["sleep", "60"], env={"TRAINWARDEN_RUN": "luca=x"})
    try:
        # Until the child has become `sleep`, the kernel shows no environment.
        wait_until(lambda: system.read_environment(child.pid), 5, "the child's environment is there")
        assert system.read_environment(child.pid) == {"TRAINWARDEN_RUN": "luca=x"}
    finally:
        child.kill()
        child.wait()
    assert system.read_environment(child.pid) == {}


def test_a_replaced_file_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    system.replace_json(path, {"a": 1}, durable=True)
    system.replace_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_replacement_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    system.replace_file(path, b"old")
    with pytest.raises(TypeError):
        system.replace_file(path, "text is not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_the_keeper_can_import_this_with_the_standard_library_alone() -> None:
    code = "import sys; sys.modules['msgspec'] = None; import trainwarden.system, trainwarden.names"
    subprocess.run([sys.executable, "-c", code], check=True)
