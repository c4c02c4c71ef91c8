"""What the processes are doing when they are stopped, as the kernel tells it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.model import Member
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import capture


@pytest.fixture
def sleeper() -> Iterator[Member]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        # Between fork and exec it has no command line yet.
        wait_until(lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), 20, "the sleeper's exec")
        stat = system.read_stat(process.pid)
        assert stat is not None
        yield Member(process.pid, stat.start_time, stat.state)
        process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    return folder


def test_it_is_written_beside_the_newest_evidence_of_the_generation(folder: RunFolder, sleeper: Member) -> None:
    for name, age in (("2-100", 50), ("2-200", 10), ("1-300", 0)):
        path = folder.evidence_path / name
        path.mkdir(parents=True)
        os.utime(path, (time.time() - age,) * 2)
    capture.write(folder, 2, [sleeper])
    said = (folder.evidence_path / "2-200" / capture.FILE).read_text()
    assert f"=== {sleeper.pid} {sys.executable} -c import time; time.sleep(600)" in said
    assert "State:\t" in said and f"thread {sleeper.pid}" in said


def test_a_process_that_is_gone_and_a_folder_that_cannot_be_written_stop_nothing(folder: RunFolder) -> None:
    capture.write(folder, 3, [Member(2**22 + 1, 1, "S")])
    assert (folder.evidence_path / "3-stop" / capture.FILE).read_text().startswith("=== 4194305")
    folder.path.joinpath("file").touch()
    capture.write(RunFolder("file", folder.path), 1, [])


def test_what_a_first_stop_found_is_kept(folder: RunFolder, sleeper: Member) -> None:
    capture.write(folder, 1, [sleeper])
    capture.write(folder, 1, [])
    assert f"=== {sleeper.pid}" in (folder.evidence_path / "1-stop" / capture.FILE).read_text()


def test_py_spy_is_asked_where_it_is_installed(
    folder: RunFolder, sleeper: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/py-spy"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho asked: $@\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    capture.write(folder, 1, [sleeper])
    said = (folder.evidence_path / "1-stop" / capture.FILE).read_text()
    assert f"asked: dump --nonblocking --pid {sleeper.pid}" in said


def test_what_is_written_is_bounded(folder: RunFolder, sleeper: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "MAX_BYTES", 100)
    capture.write(folder, 1, [sleeper] * 50)
    assert (folder.evidence_path / "1-stop" / capture.FILE).stat().st_size == 100
