"""The links on this machine itself."""

import os
from pathlib import Path

import pytest

from tests.support.users import NOBODY, an_ordinary_user, reachable
from trainwarden.doctor import machine
from trainwarden.doctor.finding import Status, ok
from trainwarden.doctor.scene import Scene


@pytest.fixture
def runs(state_home: Path) -> Path:
    runs = state_home / "trainwarden/runs"
    runs.mkdir(parents=True)
    return runs


def test_a_folder_that_is_this_users(runs: Path) -> None:
    (runs / "luca").mkdir()
    (runs / ".receiver.lock").touch()
    assert machine.folder(Scene(None)) == ok(f"{runs}: 1 run")


def test_a_folder_that_cannot_be_written(runs: Path) -> None:
    reachable(runs)
    runs.chmod(0o555)
    with an_ordinary_user():
        found = machine.folder(Scene(None))
    runs.chmod(0o755)
    assert (found.status, found.found) == (Status.FAILED, f"{runs} cannot be written by {_user()}")
    assert found.mend == f"Give it to the user who trains: sudo chown -R {_user()} {runs}"


def test_a_runs_folder_that_belongs_to_somebody_else(runs: Path) -> None:
    reachable(runs)
    runs.chmod(0o777)
    (runs / "luca").mkdir(mode=0o500)
    with an_ordinary_user():
        found = machine.folder(Scene(None))
    assert found.status == Status.FAILED
    assert found.found == f"the folders of luca cannot be used by {_user()}"


def test_a_file_where_the_folder_should_be(state_home: Path) -> None:
    (state_home / "trainwarden").mkdir()
    (state_home / "trainwarden/runs").touch()
    found = machine.folder(Scene(None))
    assert (found.status, found.found) == (Status.FAILED, f"{state_home / 'trainwarden/runs'} is no folder")


def test_a_folder_on_a_drive_of_windows(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/mounts").write_text(f"/dev/root / ext4 rw 0 0\nC:\\ {runs.parent} 9p rw 0 0\n")
    found = machine.folder(Scene(None), tmp_path)
    assert found.status == Status.WARNING
    assert "lies on 9p" in found.found
    assert "not below /mnt" in found.mend


def test_a_machine_without_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.nvml, "load", lambda: None)
    (tmp_path / "version").write_text("Linux version 6.1.0 (gcc)")
    assert "install its driver" in machine.driver(Scene(None), tmp_path).mend
    (tmp_path / "version").write_text("Linux version 5.15.167.4-microsoft-standard-WSL2")
    found = machine.driver(Scene(None), tmp_path)
    assert found.status == Status.WARNING
    assert "Install NVIDIA's driver in Windows" in found.mend


def _user() -> str:
    return f"uid {NOBODY if os.geteuid() == 0 else os.geteuid()}"
