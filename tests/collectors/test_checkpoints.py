import shutil
from pathlib import Path

import pytest

from tests.collectors.samples import NOW, spec, values
from tests.golden import kohya
from trainwarden.collectors.checkpoints import Checkpoints, RunCheckpoints, families


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def look(models: Path, now: float = NOW) -> dict[str, dict[str, float]]:
    reading = Checkpoints().read([spec(checkpoints=str(models), output_name="luca")], now)
    assert reading.faults == ()
    return values(families(reading))


def test_a_run_without_a_checkpoint_folder_has_no_series() -> None:
    reading = Checkpoints().read([spec(checkpoints=None)], NOW)
    assert (reading.runs, reading.faults) == ((), ())


def test_a_folder_that_is_not_there_is_a_clear_fact_and_no_fault(models: Path) -> None:
    assert look(models) == {"trainwarden_checkpoint_folder_up": {"luca": 0}}


def test_an_empty_folder_has_no_newest(models: Path) -> None:
    models.mkdir()
    assert look(models) == {
        "trainwarden_checkpoint_folder_up": {"luca": 1},
        "trainwarden_checkpoints": {"luca": 0},
        "trainwarden_checkpoints_valid": {"luca": 0},
    }


def test_a_damaged_newest_shows_beside_the_newest_that_is_whole(models: Path) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    kohya.save(models, "luca", 4, NOW - 3800)
    (models / "luca-000004-state/optimizer.bin").unlink()
    found = look(models)
    assert found["trainwarden_checkpoint_last_valid"] == {"luca": 0}
    assert found["trainwarden_checkpoint_last_timestamp_seconds"] == {"luca": NOW - 3800}
    assert found["trainwarden_checkpoint_last_epoch"] == {"luca": 4}
    assert (found["trainwarden_checkpoints"], found["trainwarden_checkpoints_valid"]) == ({"luca": 2}, {"luca": 1})


def test_one_that_is_still_being_written_is_not_called_damaged(models: Path) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    kohya.save(models, "luca", 4, NOW - 1)
    (models / "luca-000004-state/optimizer.bin").unlink()
    found = look(models)
    assert found["trainwarden_checkpoint_last_valid"] == {"luca": 1}
    assert found["trainwarden_checkpoint_last_timestamp_seconds"] == {"luca": NOW - 1}
    assert found["trainwarden_checkpoint_last_valid_timestamp_seconds"] == {"luca": NOW - 8000}


def test_whole_weights_do_not_hide_a_damaged_state_but_count_where_there_is_no_state(models: Path) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    (models / "luca-000002-state/optimizer.bin").unlink()
    assert look(models)["trainwarden_checkpoints_valid"] == {"luca": 0}
    shutil.rmtree(models / "luca-000002-state")
    assert look(models)["trainwarden_checkpoints_valid"] == {"luca": 1}


def test_after_a_resume_from_further_back_the_newest_is_the_one_written_last(models: Path) -> None:
    kohya.save(models, "luca", 4, NOW - 8000)
    kohya.save(models, "luca", 2, NOW - 100)
    assert look(models)["trainwarden_checkpoint_last_epoch"] == {"luca": 2}


def test_an_unknown_recipe_is_a_fault_of_that_run_only(models: Path) -> None:
    models.mkdir()
    reading = Checkpoints().read(
        [spec("odd", recipe="odd", checkpoints=str(models)), spec(checkpoints=str(models))], NOW
    )
    assert reading.runs == (RunCheckpoints(run="odd", folder_up=False), RunCheckpoints(run="luca", folder_up=True))
    assert reading.faults == ("run odd: its recipe 'odd' is not one of kohya, none; launch it anew",)


def test_what_was_verified_is_not_read_again(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    checkpoints, run = Checkpoints(), spec(checkpoints=str(models), output_name="luca")
    first = checkpoints.read([run], NOW)
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert checkpoints.read([run], NOW) == first
