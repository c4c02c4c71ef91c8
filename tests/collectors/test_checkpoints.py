import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import NOW, spec, values
from tests.golden import kohya
from tests.support.wait import wait_until
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import found_in
from trainwarden.collectors.checkpoints import Checkpoints, CheckpointsReading, RunCheckpoints, families, saves_apart
from trainwarden.model import RunSpec, Verdict

ROOM = {
    "trainwarden_checkpoint_filesystem_size_bytes",
    "trainwarden_checkpoint_filesystem_available_bytes",
    "trainwarden_checkpoint_filesystem_inodes",
    "trainwarden_checkpoint_filesystem_available_inodes",
}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def run_of(models: Path, **facts: Any) -> RunSpec:
    return spec(checkpoints=str(models), output_name="luca", **facts)


def look(models: Path, now: float = NOW, **facts: Any) -> dict[str, dict[str, float]]:
    reading = Checkpoints().read([run_of(models, **facts)], now)
    assert reading.faults == ()
    found = values(families(reading.runs))
    return {name: value for name, value in found.items() if name not in ROOM}


def test_a_run_without_a_checkpoint_folder_has_no_series() -> None:
    reading = Checkpoints().read([spec(checkpoints=None)], NOW)
    assert (reading.runs, reading.faults) == ((), ())


def test_a_folder_that_is_not_there_is_a_clear_fact_and_no_fault(models: Path) -> None:
    assert look(models) == {"trainwarden_checkpoint_folder_up": {"luca": 0}}


@pytest.mark.parametrize("made", [True, False])
def test_the_room_is_that_of_the_folder_or_of_where_it_is_to_be_made(models: Path, made: bool) -> None:
    if made:
        models.mkdir()
    (run,) = Checkpoints().read([run_of(models / "luca" if not made else models)], NOW).runs
    told = os.statvfs(models.parent)
    assert run.disk is not None
    assert run.disk.size_bytes == told.f_blocks * told.f_frsize
    assert 0 < run.disk.available_bytes <= run.disk.size_bytes


def test_a_file_system_without_a_limit_of_inodes_tells_none(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boundless = os.statvfs_result((4096, 4096, 100, 50, 40, 0, 0, 0, 0, 255))  # as Btrfs says
    monkeypatch.setattr(os, "statvfs", lambda _: boundless)
    found = values(families(Checkpoints().read([run_of(models)], NOW).runs))
    assert found["trainwarden_checkpoint_filesystem_size_bytes"] == {"luca": 409600}
    assert found["trainwarden_checkpoint_filesystem_available_bytes"] == {"luca": 163840}
    assert not any("inodes" in name for name in found)


def test_an_empty_folder_has_no_newest(models: Path) -> None:
    models.mkdir()
    assert look(models) == {
        "trainwarden_checkpoint_folder_up": {"luca": 1},
        "trainwarden_checkpoints": {"luca": 0},
        "trainwarden_checkpoints_valid": {"luca": 0},
    }


def test_the_sample_images_are_counted_anew_when_the_folder_has_changed(models: Path) -> None:
    drawn = models / "sample"
    drawn.mkdir(parents=True)
    checkpoints = Checkpoints()
    for count in (0, 1, 2):
        (run,) = checkpoints.read([run_of(models)], time.time()).runs
        assert run.samples == count
        (drawn / f"{count}.png").touch()


def test_a_sample_folder_that_rested_is_not_listed_again(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = models / "sample"
    drawn.mkdir(parents=True)
    (drawn / "1.png").touch()
    os.utime(drawn, (NOW - 10, NOW - 10))
    checkpoints = Checkpoints()
    checkpoints.read([run_of(models)], NOW)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    (run,) = checkpoints.read([run_of(models)], NOW).runs
    assert (run.samples, str(drawn) in listed) == (1, False)


def test_a_trainer_that_draws_nothing_has_no_samples(models: Path) -> None:
    models.mkdir()
    (run,) = Checkpoints().read([run_of(models, recipe="none")], NOW).runs
    assert run.samples is None


def test_a_damaged_newest_shows_beside_the_newest_that_is_whole(models: Path) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    kohya.save(models, "luca", 4, NOW - 3800)
    (models / "luca-000004-state/optimizer.bin").unlink()
    found = look(models)
    assert found["trainwarden_checkpoint_last_valid"] == {"luca": 0}
    assert found["trainwarden_checkpoint_last_timestamp_seconds"] == {"luca": NOW - 3800}
    assert found["trainwarden_checkpoint_last_epoch"] == {"luca": 4}
    assert (found["trainwarden_checkpoints"], found["trainwarden_checkpoints_valid"]) == ({"luca": 2}, {"luca": 1})


def test_the_runs_rhythm_is_the_longest_between_two_saves(models: Path) -> None:
    def apart() -> dict[str, float]:
        return saves_apart(Checkpoints().read([run_of(models, created_at=NOW - 9000)], NOW).runs)

    assert apart() == {}
    kohya.save(models, "luca", 2, NOW - 8000)
    assert apart() == {}, "one save has no rhythm"
    kohya.save(models, "luca", 4, NOW - 3800)
    kohya.save(models, "luca", 5, NOW - 3000)
    assert apart() == {"luca": 4200}


@pytest.mark.parametrize(("attached", "apart"), [(False, {}), (True, {"luca": 86_400})])
def test_the_time_since_the_state_that_a_run_was_launched_from_is_no_rhythm(
    models: Path, attached: bool, apart: dict[str, float]
) -> None:
    """Of one that was attached nobody knows the launch: what lay there is its own."""
    kohya.save(models, "luca", 2, NOW - 90_000)
    kohya.save(models, "luca", 4, NOW - 3_600)
    run = run_of(models, created_at=NOW - 9000, attached=attached)
    assert saves_apart(Checkpoints().read([run], NOW).runs) == apart


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
    assert reading.runs[0] == RunCheckpoints(run="odd", folder_up=False)
    assert reading.runs[1].folder_up
    allowed = ", ".join(sorted(RECIPES))
    assert reading.faults == (f"run odd: unknown recipe 'odd'; allowed here: {allowed}; launch it anew",)


def test_what_was_verified_is_not_read_again(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    checkpoints, run = Checkpoints(), run_of(models)
    first = wait_until(lambda: _all_judged(checkpoints.read([run], NOW)), 20, "the checkpoints verified")
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("read again"))
    assert [c.verdict for c in checkpoints.read([run], NOW).runs[0].checkpoints] == first


def _all_judged(reading: CheckpointsReading) -> list[Verdict] | None:
    verdicts = [checkpoint.verdict for checkpoint in reading.runs[0].checkpoints]
    return verdicts if Verdict.UNSETTLED not in verdicts else None


def test_what_stood_there_before_the_run_is_not_its_own(models: Path) -> None:
    kohya.save(models, "luca", 4, NOW - 8000)
    found = found_in(RECIPES["kohya"], models, "luca")
    assert look(models, found_at_launch=found)["trainwarden_checkpoints"] == {"luca": 0}
    kohya.save(models, "luca", 2, NOW - 100)
    own = look(models, found_at_launch=found)
    assert own["trainwarden_checkpoint_last_epoch"] == {"luca": 2}
    assert (own["trainwarden_checkpoints"], own["trainwarden_checkpoints_valid"]) == ({"luca": 1}, {"luca": 1})


def test_the_step_of_the_newest_is_told_where_its_name_says_it(models: Path) -> None:
    kohya.save(models, "luca", None, NOW - 8000)
    assert "trainwarden_checkpoint_last_step" not in look(models)


def test_a_folder_that_hangs_takes_only_its_own_run_away_and_comes_back(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kohya.save(models, "luca", 2, NOW - 8000)
    gone, release = models.parent / "gone", threading.Event()
    gone.mkdir()
    statvfs = os.statvfs
    monkeypatch.setattr(os, "statvfs", lambda path: release.wait(20) and None if path == gone else statvfs(path))
    checkpoints = Checkpoints()
    runs = [run_of(gone, name="dead"), run_of(models)]
    started = time.monotonic()
    reading = checkpoints.read(runs, NOW)
    assert time.monotonic() - started < 5
    assert reading.runs[0] == RunCheckpoints(run="dead", folder_up=False)
    assert reading.runs[1].folder_up and len(reading.runs[1].checkpoints) == 2
    assert (reading.timeouts, len(reading.faults)) == (1, 1)
    assert reading.faults[0].startswith("run dead: has not answered within ")
    monkeypatch.setattr(os, "statvfs", statvfs)
    release.set()
    wait_until(lambda: checkpoints.read(runs, NOW).runs[0].folder_up, 20, "the folder answers again")
