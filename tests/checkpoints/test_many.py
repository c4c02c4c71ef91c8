"""Thousands of checkpoints in one folder: a look asks for the times of few, and still sees every change."""

import os
import time
from pathlib import Path

import pytest

from tests.checkpoints.cost import fill
from tests.checkpoints.making import cut, make_weights
from trainwarden.checkpoints import RECIPES, catalog
from trainwarden.checkpoints.catalog import Catalog
from trainwarden.checkpoints.listing import entries, entries_below
from trainwarden.model import Checkpoint, Verdict

MANY = 400


class Counted:
    """How often files were asked for their times, and the folder listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.signed = self.listed = 0
        sign, find = catalog.sign, RECIPES["kohya"].find

        def signing(path: str) -> object:
            self.signed += 1
            return sign(path)

        def finding(folder: Path, output_name: str | None) -> object:
            self.listed += 1
            return find(folder, output_name)

        monkeypatch.setattr(catalog, "sign", signing)
        monkeypatch.setattr(RECIPES["kohya"], "find", finding)

    def take(self) -> tuple[int, int]:
        taken = self.signed, self.listed
        self.signed = self.listed = 0
        return taken


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path, MANY)
    return tmp_path


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def looked(folder: Path, counted: Counted) -> Catalog:
    looked = Catalog(RECIPES["kohya"], folder, "tiny", settle=5.0)
    assert len(looked.list(time.time())) == MANY
    assert counted.take() == (MANY, 1)
    return looked


def step(checkpoints: list[Checkpoint], number: int) -> Checkpoint:
    return next(checkpoint for checkpoint in checkpoints if checkpoint.step == number)


def test_an_unchanged_folder_is_not_listed_and_few_files_are_looked_at(looked: Catalog, counted: Counted) -> None:
    looked.list(time.time())
    signed, listed = counted.take()
    assert listed == 0
    assert 0 < signed < MANY / 2


def test_a_new_checkpoint_is_seen_at_once(looked: Catalog, folder: Path, counted: Counted) -> None:
    make_weights(folder / "tiny-step99999999.safetensors", time.time())
    assert looked.list(time.time())[0].step == 99999999
    assert counted.take()[1] == 1


def test_one_that_is_gone_is_forgotten_at_once(looked: Catalog, folder: Path) -> None:
    (folder / "tiny-step00000300.safetensors").unlink()
    assert len(looked.list(time.time())) == MANY - 1


def test_one_of_the_newest_that_was_written_over_is_seen_at_once(looked: Catalog, folder: Path) -> None:
    path = folder / f"tiny-step{MANY - 1:08d}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert step(looked.list(time.time()), MANY - 1).verdict is Verdict.UNSETTLED
    os.utime(path, (time.time() - 60, time.time() - 60))
    looked.list(time.time())
    assert step(looked.list(time.time()), MANY - 1).verdict is Verdict.INVALID


def test_an_old_one_that_was_damaged_is_seen_within_a_round(looked: Catalog, folder: Path) -> None:
    cut(folder / "tiny-step00000003.safetensors", 100)
    seen = [step(looked.list(time.time()), 3).verdict for _ in range(25)]
    assert seen[-1] is Verdict.INVALID
    assert Verdict.UNSETTLED in seen


def test_a_folder_whose_time_does_not_move_is_listed_now_and_then(looked: Catalog, folder: Path) -> None:
    before = folder.stat()
    make_weights(folder / "tiny-step99999999.safetensors", time.time() - 60)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(looked.list(time.time())) == MANY
    assert len(looked.list(time.time() + 301)) == MANY + 1


def test_a_folder_that_has_just_changed_is_listed_again(tmp_path: Path, counted: Counted) -> None:
    """Within the coarseness of its clock a second change would leave its time as it is."""
    make_weights(tmp_path / "tiny-step00000001.safetensors")
    looked = Catalog(RECIPES["kohya"], tmp_path, "tiny", settle=5.0)
    for _ in range(3):
        looked.list(time.time())
    assert counted.take()[1] == 3


def test_a_name_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "epoch=1.ckpt").touch()
    (tmp_path / os.fsdecode(b"n\xe4chtlich.ckpt")).touch()
    assert [entry.name for entry in entries(tmp_path, "--output_dir")] == ["epoch=1.ckpt"]
    assert [entry.name for entry in entries_below(tmp_path)] == ["epoch=1.ckpt"]
