"""Real output of Hugging Face's Trainer and of Lightning, followed: every step once, whatever else has a bar."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwarden.model import Phase, Progress
from trainwarden.runs.follow import Follower

CASES = Path(__file__).parents[1] / "cases/output"


class Told(NamedTuple):
    """What a recording must tell in the end; ``phases`` are those after the first step, each with the step then."""

    framework: str
    step: int
    steps_done: int
    max_steps: int | None
    epochs: tuple[int | None, int | None]
    saves: int
    phases: str


HF = "training 10 evaluating checkpointing training 20 evaluating checkpointing training 30 evaluating checkpointing "
HF += "training 40 evaluating checkpointing training 45 evaluating checkpointing"
HF4 = HF.replace(" checkpointing", "")
LIGHTNING = "training 20 evaluating training 40 evaluating training 60 evaluating"

RECORDINGS = {
    "hf5.raw": Told("hf", 45, 45, 45, (None, None), 5, HF),
    "hf4.raw": Told("hf", 45, 45, 45, (None, None), 0, HF4),  # it says nothing of its saves
    "hf5_resumed.raw": Told("hf", 45, 25, 45, (None, None), 3, HF[HF.index("training 30") :]),
    "hf5_torchrun.raw": Told(
        "hf", 24, 24, 24, (None, None), 3, HF[: HF.index("training 30")] + "training 24 evaluating checkpointing"
    ),
    "lightning_tqdm.raw": Told("lightning", 60, 60, None, (3, None), 0, LIGHTNING),
    "lightning_tqdm_resumed.raw": Told("lightning", 60, 40, None, (3, None), 0, LIGHTNING[23:]),
    "lightning_rich.raw": Told("lightning", 60, 60, 60, (3, 3), 0, LIGHTNING),
}
OUTPUT = {name: (CASES / name).read_bytes() for name in RECORDINGS}
BASE = 20
"""The step of the checkpoint that the resumed ones resumed from."""
every_recording = pytest.mark.parametrize("name", RECORDINGS)


def new_follower(name: str) -> Follower:
    return Follower(1, 0.0, base_step=BASE if "resumed" in name else None)


def follow(name: str, cuts: list[int]) -> Progress:
    output, follower = OUTPUT[name], new_follower(name)
    for start, end in zip([0, *cuts], [*cuts, len(output)], strict=True):
        follower.feed(output[start:end], 1.0)
    follower.finish(1.0)
    return follower.progress()


@every_recording
def test_a_finished_training_is_told_as_it_was(name: str) -> None:
    told, progress = RECORDINGS[name], follow(name, [])
    assert (progress.framework, progress.step, progress.steps_done) == (told.framework, told.step, told.steps_done)
    assert (progress.max_steps, (progress.epoch, progress.max_epochs)) == (told.max_steps, told.epochs)
    assert (progress.saves, progress.errors, progress.nonfinite_losses) == (told.saves, {}, 0)
    assert progress.loss is not None


@every_recording
def test_every_step_is_seen_once_and_in_order_and_phases_come_as_they_were(name: str) -> None:
    follower, output, seen = new_follower(name), OUTPUT[name], [(Phase.STARTING, None)]
    for start in range(0, len(output), 8):
        follower.feed(output[start : start + 8], 1.0)
        progress = follower.progress()
        if (progress.phase, progress.step) != seen[-1]:
            seen.append((progress.phase, progress.step))
    steps = [step for _, step in seen if step is not None]
    assert steps == sorted(steps)
    if name != "hf5_resumed.raw":  # steps too fast for the bar, which draws itself ten times a second at most
        assert sorted(set(steps)) == list(range(steps[0], RECORDINGS[name].step + 1))
    assert in_short(seen) == RECORDINGS[name].phases


def in_short(seen: list[tuple[Phase, int | None]]) -> str:
    """``training 10 evaluating``: a phase, and the step at which it ended where it trained."""
    seen = seen[[phase for phase, _ in seen].index(Phase.TRAINING) :]
    words: list[str] = []
    for (phase, _), (following, step) in zip(seen, [*seen[1:], (None, None)], strict=True):
        if phase is not following:
            words += [phase.value, *([str(step)] if phase is Phase.TRAINING else [])]
    return " ".join(words)


@every_recording
def test_before_the_first_step_nothing_looks_like_a_training_that_hangs(name: str) -> None:
    """A sanity check, a model that is compiled: it may take long."""
    follower, output = new_follower(name), OUTPUT[name]
    for start in range(0, len(output), 8):
        follower.feed(output[start : start + 8], 1.0)
        if follower.progress().steps_done:
            return
        assert follower.progress().phase is not Phase.TRAINING
    pytest.fail("no step was seen")


@every_recording
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_counts_do_not_depend_on_where_the_reads_are_cut(name: str, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(OUTPUT[name])), max_size=30).map(sorted))
    assert follow(name, cuts) == follow(name, [])


@every_recording
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_followers_killed_anywhere_count_together_what_one_counts(name: str, data: st.DataObject) -> None:
    output, stored = OUTPUT[name], new_follower(name).progress()
    for end in [*data.draw(st.lists(st.integers(0, len(output)), max_size=9).map(sorted)), len(output)]:
        follower = Follower.resume(stored, base_step=BASE if "resumed" in name else None)
        follower.feed(output[stored.position : end], 1.0)
        stored = msgspec.json.decode(msgspec.json.encode(follower.progress()), type=Progress)
    whole = follow(name, [])
    for field in ("step", "steps_done", "max_steps", "epoch", "saves", "loss", "framework", "phase"):
        assert getattr(stored, field) == getattr(whole, field), field
