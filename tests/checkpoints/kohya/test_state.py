import os
import shutil
from pathlib import Path

import pytest

from tests.checkpoints.making import WRITE_ORDER, WRITTEN_AT, cut, make_state, make_torch
from trainwarden.checkpoints.kohya import state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_state(tmp_path / "tiny-000004-state", epoch=4)


def test_a_folder_as_accelerate_leaves_it_is_whole(folder: Path) -> None:
    assert state.fault(folder, 4) == ""


def test_files_written_within_one_tick_of_the_clock_are_in_order(folder: Path) -> None:
    for name in WRITE_ORDER:
        os.utime(folder / name, (WRITTEN_AT, WRITTEN_AT))
    assert state.fault(folder, 4) == ""


@pytest.mark.parametrize("name", WRITE_ORDER)
def test_any_file_missing_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert state.fault(folder, 4) == f"{folder}: {name} missing: the save was cut short"


@pytest.mark.parametrize("written", range(len(WRITE_ORDER)))
def test_a_save_killed_after_any_file_is_found(folder: Path, written: int) -> None:
    for name in WRITE_ORDER[written:]:
        (folder / name).unlink()
    assert state.fault(folder, 4) == f"{folder}: {', '.join(WRITE_ORDER[written:])} missing: the save was cut short"


@pytest.mark.parametrize("name", WRITE_ORDER)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_any_file_cut_short_is_named(folder: Path, name: str, share: float) -> None:
    cut(folder / name, int((folder / name).stat().st_size * share))
    assert state.fault(folder, 4).startswith(f"{folder / name}: ")


def test_a_save_over_an_older_state_that_was_cut_short_is_a_mix(folder: Path) -> None:
    """All five files are there and whole, but the last one is of the earlier save."""
    for name in WRITE_ORDER[:-1]:
        os.utime(folder / name, (WRITTEN_AT + 60, WRITTEN_AT + 60))
    assert state.fault(folder, 4).startswith(f"{folder / WRITE_ORDER[-1]}: is older than the file written before it")


def test_a_save_over_an_older_state_that_was_killed_at_once_is_a_mix(folder: Path) -> None:
    os.utime(folder / WRITE_ORDER[0], (WRITTEN_AT + 60, WRITTEN_AT + 60))
    assert state.fault(folder, 4).startswith(f"{folder / WRITE_ORDER[1]}: is older than the file written before it")


def test_a_copy_that_lost_its_times_says_how_to_copy(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy-000004-state"
    copy.mkdir()
    for age, name in enumerate(WRITE_ORDER):  # alphabetically or as the folder lists them, in any case not as written
        shutil.copyfile(folder / name, copy / name)
        os.utime(copy / name, (WRITTEN_AT - age, WRITTEN_AT - age))
    assert state.fault(copy, 4).endswith("the folder was copied without its times (copy with cp -a)")


def test_a_copy_with_its_times_is_whole(folder: Path, tmp_path: Path) -> None:
    assert state.fault(Path(shutil.copytree(folder, tmp_path / "copy-000004-state")), 4) == ""


def test_another_epoch_than_the_name_says_is_refused(folder: Path) -> None:
    assert state.fault(folder, 6) == f"{folder / WRITE_ORDER[0]}: says epoch 4 in a folder named for epoch 6"


def test_the_final_state_names_no_epoch(folder: Path) -> None:
    assert state.fault(folder, None) == ""


@pytest.mark.parametrize("text", ["{}", '{"current_epoch": "4"}', "[4]", '{"current_epoch": 4'])
def test_a_train_state_without_epoch_is_refused(folder: Path, text: str) -> None:
    path = folder / WRITE_ORDER[0]
    stat = path.stat()
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert state.fault(folder, 4) == f"{path}: is not a train state: the save was cut short"


@pytest.mark.parametrize("name", ["random_states_1.pkl", "scaler.pt", "optimizer_1.bin"])
def test_what_only_some_runs_write_must_be_whole_too(folder: Path, name: str) -> None:
    extra = make_torch(folder / name, WRITTEN_AT - 9)
    assert state.fault(folder, 4) == ""
    cut(extra, 100)
    assert state.fault(folder, 4).startswith(f"{extra}: ")


def test_a_folder_that_is_gone_is_not_whole(tmp_path: Path) -> None:
    assert state.fault(tmp_path / "gone-000002-state", 2).startswith(f"{tmp_path / 'gone-000002-state'}: ")
