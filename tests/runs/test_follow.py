"""Real output of real kohya runs, followed: every optimiser step once, the right epochs, phases and saves."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwarden.model import Phase, Progress
from trainwarden.runs.follow import Follower

CASES = Path(__file__).parents[1] / "cases/output"
RECORDINGS = {
    "healthy.raw": None,
    "healthy.piped": None,
    "no_persistent_workers.raw": None,
    "resumed_at_epoch_3.raw": 2,
}
"""And how many epochs the checkpoint contained that each resumed from."""
OUTPUT = {name: (CASES / name).read_bytes() for name in RECORDINGS}
every_recording = pytest.mark.parametrize("name", RECORDINGS)


FRESH = [
    ("training", 1, 0, 0),
    ("training", 2, 10, 0),
    ("checkpointing", 2, 20, 1),
    ("training", 3, 20, 1),
    ("training", 4, 30, 1),
]


def new_follower(name: str) -> Follower:
    return Follower(1, 0.0, resumed_epochs=RECORDINGS[name])


def follow(name: str, cuts: list[int]) -> Progress:
    """Feed the recording in pieces, a second apart, and finish it."""
    output, follower, now = OUTPUT[name], new_follower(name), 0.0
    for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True):
        now += 1.0
        follower.feed(output[start:end], now)
    follower.finish(now)
    return follower.progress()


def untimed(progress: Progress) -> Progress:
    """What does not depend on when the output was read."""
    return msgspec.structs.replace(
        progress,
        phase_since=0.0,
        beat_at=0.0,
        last_step_at=None,
        durations=None,
        median_step_seconds=None,
        last_save_seconds=None,
    )


@every_recording
def test_a_finished_run_stands_at_its_last_step_and_epoch(name: str) -> None:
    progress = follow(name, [])
    assert (progress.step, progress.max_steps, progress.epoch, progress.max_epochs) == (60, 60, 6, 6)
    assert (progress.phase, progress.errors, progress.position) == (Phase.CHECKPOINTING, {}, len(OUTPUT[name]))


def test_as_many_steps_are_seen_as_the_optimiser_took() -> None:
    true_steps = (CASES / "healthy.steps").read_text().count("opt ")
    assert true_steps == 60
    for name in ("healthy.raw", "healthy.piped", "no_persistent_workers.raw"):
        assert follow(name, []).steps_done == true_steps


def test_a_resumed_bar_begins_at_0_and_the_run_does_not() -> None:
    output = OUTPUT["resumed_at_epoch_3.raw"]
    follower = new_follower("resumed_at_epoch_3.raw")
    first_drawing = output.index(b"steps:   0%")
    follower.feed(output[: first_drawing + 200], 1.0)
    assert follower.progress().step == 20
    follower.feed(output[first_drawing + 200 :], 2.0)
    progress = follower.progress()
    assert (progress.step, progress.count, progress.steps_done, progress.epoch) == (60, 40, 40, 6)


@every_recording
def test_phases_and_epochs_come_in_their_order(name: str) -> None:
    follower, seen, output = new_follower(name), [], OUTPUT[name]
    for start in range(0, len(output), 8):  # the shortest line that tells something is longer
        follower.feed(output[start : start + 8], 1.0)
        progress = follower.progress()
        if (here := (progress.phase.value, progress.epoch, progress.step, progress.saves)) not in seen:
            seen.append(here)
    resumed = RECORDINGS[name] is not None
    changes = [here for before, here in zip([(), *seen], seen, strict=False) if here[:2] != before[:2]]
    first = [("training", 3, 20, 0), ("training", 4, 30, 0)] if resumed else FRESH
    saves = 0 if resumed else 1
    assert changes == [
        ("starting", None, None, 0),
        ("caching", None, None, 0),
        ("training", None, 20 if resumed else 0, 0),
        *first,
        ("checkpointing", 4, 40, saves + 1),
        ("training", 5, 40, saves + 1),
        ("training", 6, 50, saves + 1),
        ("checkpointing", 6, 60, saves + 2),
    ]
    steps = [step for _, _, step, _ in seen if step is not None]
    assert sorted(set(steps)) == list(range(20 if resumed else 0, 61))
    assert steps == sorted(steps)
    assert follower.progress().last_step_at == 1.0
    follower.finish(1.0)
    assert untimed(follower.progress()) == untimed(follow(name, []))


def cuts(name: str) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, len(OUTPUT[name])), max_size=30).map(sorted)


@every_recording
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_counts_do_not_depend_on_where_the_reads_are_cut(name: str, data: st.DataObject) -> None:
    assert untimed(follow(name, data.draw(cuts(name)))) == untimed(follow(name, []))


@every_recording
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_followers_killed_anywhere_count_together_what_one_counts(name: str, data: st.DataObject) -> None:
    output, stored = OUTPUT[name], new_follower(name).progress()
    for end in [*data.draw(cuts(name)), len(output)]:
        follower = Follower.resume(stored, resumed_epochs=RECORDINGS[name])
        follower.feed(output[stored.position : end], 1.0)
        stored = msgspec.json.decode(msgspec.json.encode(follower.progress()), type=Progress)
    assert untimed(stored) == untimed(follow(name, []))


def test_every_step_but_the_first_and_those_after_a_save_is_timed() -> None:
    output = OUTPUT["healthy.raw"]
    progress = follow("healthy.raw", list(range(0, len(output), 80)))
    assert progress.durations is not None
    # 60 steps: the first is not timed, nor are 21 and 41, which come after the saves of epochs 2 and 4.
    assert sum(progress.durations.counts) == 57
