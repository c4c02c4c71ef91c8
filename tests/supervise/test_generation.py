"""One launch's output, followed: whatever it prints, and however fast."""

import time
from pathlib import Path

import pytest

from trainwarden.checkpoints import find_recipe
from trainwarden.model import Progress
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import generation
from trainwarden.supervise.arrivals import Arrival, Arrivals, Telling
from trainwarden.supervise.generation import Generation
from trainwarden.supervise.kept import Kept

NOISE = b"RuntimeError: printed again and again, faster than it can be read\r\n"
BAR = b"steps:  33%%|###      | %d/60 [00:07<00:15,  2.51it/s, avr_loss=1.08]\r"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder("luca", tmp_path)
    made.create()
    return made


def followed(folder: RunFolder, arrivals: Arrivals | None = None) -> Generation:
    kept = Kept(
        keeper=identity.myself(), generation=1, training=None, argv=["train"], started_at=1.0, exit=None,
        terminated_at=None,
    )  # fmt: skip
    return Generation(folder, kept, find_recipe("none"), arrivals=arrivals)


def print_on(folder: RunFolder, *pieces: bytes) -> None:
    with folder.output_path(1).open("ab") as log:
        log.writelines(pieces)


def written(folder: RunFolder) -> Progress:
    (found,) = folder.read_progress()
    return found


def test_a_flood_of_output_is_read_for_a_moment_at_each_look(folder: RunFolder) -> None:
    print_on(folder, NOISE * (16 * 1024 * 1024 // len(NOISE)))
    follower = followed(folder)
    began = time.monotonic()
    follower.follow(2.0, seconds=0.0)
    first = follower.progress().position
    follower.follow(3.0, seconds=0.0)
    assert 0 < first < follower.progress().position < folder.output_path(1).stat().st_size
    assert time.monotonic() - began < 60  # the whole would take a quarter of a minute on a fast machine


def test_who_is_far_behind_goes_on_at_the_end(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "FAR_BEHIND", 1024 * 1024)
    print_on(folder, BAR % 5, NOISE * 60_000, BAR % 20)
    follower = followed(folder)
    follower.follow(2.0, seconds=0.0)
    follower.follow(3.0)
    assert written(folder).step == 20
    assert written(folder).position == pytest.approx(folder.output_path(1).stat().st_size, abs=200)


def test_a_flood_that_has_ended_is_not_read_to_its_end(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "LAST_READ_SECONDS", 0.0)
    print_on(folder, BAR % 5, NOISE * 60_000, BAR % 20, b"\nthe last words\n")
    follower = followed(folder)
    follower.finish(2.0)
    assert written(folder).step == 20
    assert written(folder).errors["exception"] < 10_000


def test_output_at_an_ordinary_pace_is_read_whole(folder: RunFolder) -> None:
    follower = followed(folder)
    print_on(folder, b"".join(BAR % n for n in range(60)))
    follower.follow(2.0)
    print_on(folder, NOISE, BAR % 60)
    follower.finish(3.0)
    assert (written(folder).step, written(folder).errors["exception"]) == (60, 1)


def test_steps_that_are_read_together_are_timed_by_when_they_came(folder: RunFolder) -> None:
    telling = Telling()
    follower = followed(folder, Arrivals(telling.reader))
    came = {1: 100.0, 2: 104.0, 3: 108.0}
    for step, at in came.items():
        print_on(folder, BAR % step)
        telling.tell(Arrival(1, folder.output_path(1).stat().st_size, at))
    follower.follow(110.0)
    assert (written(folder).last_step_at, written(folder).median_step_seconds) == (108.0, pytest.approx(4.0, rel=0.1))
