import os
import shutil
from pathlib import Path

import pytest

from tests.checkpoints.making import WRITE_ORDER, WRITTEN_AT, cut, make_state, make_weights
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.base import Found
from trainwarden.checkpoints.catalog import Catalog, found_in, newest_valid, passed_over
from trainwarden.checkpoints.kohya.recipe import KohyaRecipe
from trainwarden.errors import CheckpointError
from trainwarden.model import Verdict

LATER = WRITTEN_AT + 3600


class CountingRecipe(KohyaRecipe):
    """Counts how often a checkpoint is read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def verify(self, found: Found) -> str:
        self.read.append(found.path.name)
        return super().verify(found)


def catalog(folder: Path) -> Catalog:
    return Catalog(RECIPES["kohya"], folder, "tiny", settle=5.0)


def make_run(folder: Path) -> None:
    for epoch in (2, 4, 6):
        at = WRITTEN_AT + 60 * epoch
        make_weights(folder / f"tiny-{epoch:06d}.safetensors", at - 10)
        make_state(folder / f"tiny-{epoch:06d}-state", epoch, at)


def test_the_newest_valid_state_is_chosen(tmp_path: Path) -> None:
    make_run(tmp_path)
    checkpoints = catalog(tmp_path).list(LATER)
    chosen = newest_valid(checkpoints)
    assert [c.epoch for c in checkpoints] == [6, 6, 4, 4, 2, 2]
    assert {c.verdict for c in checkpoints} == {Verdict.VALID}
    assert chosen is not None
    assert chosen.path == str(tmp_path / "tiny-000006-state")
    assert chosen.modified_at == WRITTEN_AT + 360
    assert chosen.size_bytes == sum(file.stat().st_size for file in Path(chosen.path).iterdir())
    assert passed_over(checkpoints, chosen) == []


def test_a_damaged_newest_is_passed_over_with_a_sentence(tmp_path: Path) -> None:
    make_run(tmp_path)
    damaged = tmp_path / "tiny-000006-state/optimizer.bin"
    cut(damaged, 900)
    checkpoints = catalog(tmp_path).list(LATER)
    chosen = newest_valid(checkpoints)
    assert chosen is not None
    assert chosen.epoch == 4
    assert passed_over(checkpoints, chosen) == [
        f"{damaged}: has no zip directory at its end: the save was cut short",
    ]


def test_nothing_is_chosen_where_all_are_damaged(tmp_path: Path) -> None:
    make_run(tmp_path)
    for state in tmp_path.glob("*-state"):
        (state / "random_states_0.pkl").unlink()
    checkpoints = catalog(tmp_path).list(LATER)
    assert newest_valid(checkpoints) is None
    assert len(passed_over(checkpoints, None)) == 3


def test_weights_alone_are_never_chosen(tmp_path: Path) -> None:
    make_weights(tmp_path / "tiny-000002.safetensors")
    make_weights(tmp_path / "tiny.safetensors")
    assert newest_valid(catalog(tmp_path).list(LATER)) is None


def test_a_young_checkpoint_is_left_alone_until_it_settles(tmp_path: Path) -> None:
    make_run(tmp_path)
    looked = catalog(tmp_path)
    young = looked.list(WRITTEN_AT + 361)
    assert next((c.epoch, c.verdict) for c in young if c.resumable) == (6, Verdict.UNSETTLED)
    chosen = newest_valid(young)
    assert chosen is not None
    assert chosen.epoch == 4
    assert passed_over(young, chosen) == [f"{tmp_path / 'tiny-000006-state'}: was still being written"]
    assert newest_valid(looked.list(WRITTEN_AT + 366)).epoch == 6  # type: ignore[union-attr]


def test_a_checkpoint_that_grows_between_two_looks_is_not_settled(tmp_path: Path) -> None:
    state = make_state(tmp_path / "tiny-000002-state", 2)
    last = (state / WRITE_ORDER[-1]).rename(tmp_path / "held back")
    looked = catalog(tmp_path)
    assert looked.list(LATER)[0].verdict is Verdict.INVALID
    last.rename(state / WRITE_ORDER[-1])
    assert looked.list(LATER)[0].verdict is Verdict.UNSETTLED
    assert looked.list(LATER)[0].verdict is Verdict.VALID


def test_a_verdict_is_remembered_until_a_file_changes(tmp_path: Path) -> None:
    recipe = CountingRecipe()
    looked = Catalog(recipe, tmp_path, "tiny", settle=5.0)
    make_run(tmp_path)
    for _ in range(3):
        looked.list(LATER)
    assert len(recipe.read) == 6
    changed = tmp_path / "tiny-000004-state/scheduler.bin"
    changed.write_bytes(changed.read_bytes()[:-1])
    os.utime(changed, (WRITTEN_AT, WRITTEN_AT))
    looked.list(LATER)
    assert [c.verdict for c in looked.list(LATER) if c.epoch == 4 and c.resumable] == [Verdict.INVALID]
    assert recipe.read[6:] == ["tiny-000004-state"]


def test_what_is_not_known_yet_is_unsettled_and_asked_for_again(tmp_path: Path) -> None:
    said: list[str | None] = [None, ""]
    looked = Catalog(RECIPES["kohya"], tmp_path, "tiny", 5.0, verify=lambda *_: said.pop(0))
    make_weights(tmp_path / "tiny-000002.safetensors", WRITTEN_AT)
    verdicts = [looked.list(LATER)[0].verdict for _ in range(3)]
    assert verdicts == [Verdict.UNSETTLED, Verdict.VALID, Verdict.VALID]


def test_a_clock_that_was_set_back_does_not_hide_a_checkpoint(tmp_path: Path) -> None:
    make_run(tmp_path)
    assert newest_valid(catalog(tmp_path).list(WRITTEN_AT - 86400)) is not None


def test_what_stood_there_at_the_launch_is_not_taken_whatever_the_clocks_say(tmp_path: Path) -> None:
    make_run(tmp_path)
    found = found_in(RECIPES["kohya"], tmp_path, "tiny")
    checkpoints = Catalog(RECIPES["kohya"], tmp_path, "tiny", 5.0, found).list(LATER)
    assert newest_valid(checkpoints) is None
    assert passed_over(checkpoints, None)[0].endswith("so an earlier run wrote it")


def test_what_is_written_anew_over_an_earlier_runs_state_is_the_runs_own(tmp_path: Path) -> None:
    make_run(tmp_path)
    found = found_in(RECIPES["kohya"], tmp_path, "tiny")
    shutil.rmtree(tmp_path / "tiny-000004-state")
    make_state(tmp_path / "tiny-000004-state", 4, WRITTEN_AT - 86400)
    chosen = newest_valid(Catalog(RECIPES["kohya"], tmp_path, "tiny", 5.0, found).list(LATER))
    assert chosen is not None
    assert chosen.epoch == 4


def test_an_empty_state_folder_is_a_save_that_was_cut_short(tmp_path: Path) -> None:
    (tmp_path / "tiny-000002-state").mkdir()
    os.utime(tmp_path / "tiny-000002-state", (WRITTEN_AT, WRITTEN_AT))
    (only,) = catalog(tmp_path).list(LATER)
    assert (only.verdict, only.size_bytes, only.modified_at) == (Verdict.INVALID, 0, WRITTEN_AT)


def test_a_checkpoint_that_is_rotated_away_is_forgotten(tmp_path: Path) -> None:
    make_run(tmp_path)
    looked = catalog(tmp_path)
    looked.list(LATER)
    shutil.rmtree(tmp_path / "tiny-000006-state")
    assert [c.epoch for c in looked.list(LATER) if c.resumable] == [4, 2]


def test_an_absent_folder_raises(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such checkpoint folder"):
        catalog(tmp_path / "none").list(LATER)


def test_an_earlier_state_is_known_again_on_a_mount_that_numbers_its_inodes_anew(tmp_path: Path) -> None:
    make_run(tmp_path)
    found = found_in(RECIPES["kohya"], tmp_path, "tiny")
    for state in tmp_path.glob("*-state"):
        copy = shutil.copytree(state, tmp_path / "copy")
        shutil.rmtree(state)
        copy.rename(state)
    inodes_moved = found_in(RECIPES["kohya"], tmp_path, "tiny")
    assert inodes_moved == found
    assert newest_valid(Catalog(RECIPES["kohya"], tmp_path, "tiny", 5.0, found).list(LATER)) is None
