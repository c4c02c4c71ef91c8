import os
from pathlib import Path

import pytest

from trainwarden.checkpoints.kohya import files
from trainwarden.errors import CheckpointError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        if name.endswith("/"):
            (folder / name).mkdir(parents=True)
        else:
            (folder / name).touch()


def listed(folder: Path, output_name: str | None) -> list[str]:
    return [found.path.name for found in files.find(folder, output_name)]


def test_the_newest_training_position_comes_first(tmp_path: Path) -> None:
    fill(tmp_path, "tiny.safetensors", "tiny-state/", "tiny-000002-state/", "tiny-000002.safetensors")
    fill(tmp_path, "tiny-000010-state/", "tiny-000010.safetensors", "tiny-step00000030-state/")
    fill(tmp_path, "tiny-step00000015.safetensors", "tiny-step00000030.safetensors")
    assert listed(tmp_path, "tiny") == [
        "tiny.safetensors",
        "tiny-state",
        "tiny-000010-state",
        "tiny-000010.safetensors",
        "tiny-000002-state",
        "tiny-000002.safetensors",
        "tiny-step00000030-state",
        "tiny-step00000030.safetensors",
        "tiny-step00000015.safetensors",
    ]


def test_only_the_state_of_an_epoch_can_be_resumed(tmp_path: Path) -> None:
    fill(tmp_path, "tiny-000002-state/", "tiny-000002.safetensors", "tiny-step00000030-state/", "tiny-state/")
    found = {f.path.name: (f.epoch, f.step, f.final, f.resumable) for f in files.find(tmp_path, "tiny")}
    assert found == {
        "tiny-000002-state": (2, None, False, True),
        "tiny-000002.safetensors": (2, None, False, False),
        "tiny-step00000030-state": (None, 30, False, False),
        "tiny-state": (None, None, True, False),
    }


def test_other_runs_and_files_being_written_elsewhere_are_not_this_runs(tmp_path: Path) -> None:
    fill(tmp_path, "tiny2-000002-state/", "tiny-000002-000004-state/", "other.safetensors", "tiny-note.txt")
    fill(tmp_path, ".tmpAbC123", "tiny-000002.safetensors.tmp", "tiny-00002-state/", "xtiny-000002-state/")
    assert listed(tmp_path, "tiny") == []


def test_a_name_is_taken_letter_by_letter(tmp_path: Path) -> None:
    fill(tmp_path, "a.b[1]-000002-state/", "aXb1-000002-state/")
    assert listed(tmp_path, "a.b[1]") == ["a.b[1]-000002-state"]


def test_without_an_output_name_kohya_has_names_of_its_own(tmp_path: Path) -> None:
    fill(tmp_path, "epoch-000002-state/", "at-step00000010.safetensors", "last.safetensors", "tiny-000004-state/")
    assert listed(tmp_path, None) == ["last.safetensors", "epoch-000002-state", "at-step00000010.safetensors"]


def test_a_file_where_a_folder_belongs_is_no_state(tmp_path: Path) -> None:
    fill(tmp_path, "tiny-000002-state", "tiny-000002.safetensors/")
    assert listed(tmp_path, "tiny") == []


def test_an_absent_folder_is_one_sentence_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"/none: there is no such checkpoint folder .* --checkpoints$"):
        files.find(tmp_path / "none", "tiny")


def test_a_file_in_place_of_the_folder_is_one_sentence(tmp_path: Path) -> None:
    fill(tmp_path, "file")
    with pytest.raises(CheckpointError, match=r"/file: the checkpoint folder cannot be listed: Not a directory; "):
        files.find(tmp_path / "file", "tiny")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(CheckpointError, match="Permission denied"):
        files.find(tmp_path / "closed", "tiny")
