"""The run folder: names, whole files, broken files."""

import shutil
from pathlib import Path

import pytest

from trainwarden.errors import RunFolderError
from trainwarden.model import Phase, Progress, RunSpec, RunState
from trainwarden.runs.folder import RunFolder, best_progress, list_runs
from trainwarden.system import state_root

SPEC = RunSpec(name="luca", run_id="r1", command=["true"], cwd="/", recipe="none")


def progress(writer: str, generation: int = 1, rank: int = 0) -> Progress:
    return Progress(writer=writer, rank=rank, generation=generation, phase=Phase.TRAINING, phase_since=0.0, beat_at=0.0)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-x", "ä", "x" * 65, "a\n"])
def test_a_name_that_is_no_folder_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="a run's name is at most 64"):
        RunFolder(name, tmp_path)


def test_the_state_root_follows_the_xdg_convention(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_root() == state_home / "trainwarden"
    monkeypatch.setenv("HOME", "/home/luca")
    for absent in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", absent)
        assert state_root() == Path("/home/luca/.local/state/trainwarden")


def test_what_is_written_is_read_and_what_is_absent_is_none(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    assert (folder.read_spec(), folder.read_state(), folder.read_progress()) == (None, None, [])
    folder.create()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    folder.write_spec(SPEC)
    state = RunState(run_id="r1", generation=1, open=True, beat_at=1.0, beat_monotonic=1.0, started_at=1.0)
    folder.write_state(state)
    folder.write_progress(progress("output"))
    assert (folder.read_spec(), folder.read_state()) == (SPEC, state)
    assert folder.read_progress() == [progress("output")]
    assert list_runs(tmp_path) == ["luca"]


def test_a_copied_folder_is_not_the_run_and_one_of_no_run_name_is_none(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    folder.write_spec(SPEC)
    shutil.copytree(folder.path, tmp_path / "luca.bak")
    shutil.copytree(folder.path, tmp_path / "luca (copy)")
    assert RunFolder("luca.bak", tmp_path).read_spec() is None
    assert list_runs(tmp_path) == ["luca", "luca.bak"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": 1}', "\xff", '{"name": "\xff"}', '{"x":' * 50_000])
def test_a_broken_file_is_named_with_its_mend(text: str, tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    folder.spec_path.write_text(text, encoding="latin-1")
    with pytest.raises(RunFolderError, match=r"run\.json: .*; move the file aside"):
        folder.read_spec()


def test_a_file_of_a_newer_version_is_still_read(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    folder.spec_path.write_text(
        '{"name": "luca", "run_id": "r1", "command": ["true"], "cwd": "/", "recipe": "none", "later": 1}'
    )
    assert folder.read_spec() == SPEC


def test_readers_prefer_the_heartbeat_and_only_this_generations_rank_0() -> None:
    found = [progress("output"), progress("heartbeat", rank=1), progress("heartbeat"), progress("old", generation=0)]
    best = best_progress(found, 1)
    assert best is not None and best.writer == "heartbeat"
    assert best_progress(found[:2], 1) == progress("output")
    assert best_progress(found, 2) is None


def test_a_run_is_paused_and_resumed_as_often_as_one_likes(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    folder.write_spec(SPEC)
    for _ in range(2):
        folder.pause()
        assert folder.pause_path.exists()
    for _ in range(2):
        folder.resume()
        assert not folder.pause_path.exists()


def test_a_run_that_is_not_there_cannot_be_paused(tmp_path: Path) -> None:
    folder = RunFolder("lucca", tmp_path)
    for wish in (folder.pause, folder.resume):
        with pytest.raises(RunFolderError, match=rf"^there is no run 'lucca' in {tmp_path}; runs there: none$"):
            wish()


def test_a_copied_folder_cannot_be_paused_nor_is_it_named_beside_the_others(tmp_path: Path) -> None:
    for name in ("luca", "luca-copy"):
        folder = RunFolder(name, tmp_path)
        folder.create()
        folder.write_spec(SPEC)
    with pytest.raises(RunFolderError, match=r"^there is no run 'luca-copy' in .*; runs there: luca$"):
        folder.pause()
    assert not folder.pause_path.exists()
