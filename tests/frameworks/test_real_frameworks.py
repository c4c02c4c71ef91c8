"""Hugging Face's Trainer and Lightning, really training: what their output shows, and what the callback tells.

The scripts take 45 steps with an evaluation and a save at every tenth and at the end (Hugging Face), and 3 epochs of
20 batches with a validation and a save at the end of each (Lightning).
"""

import re
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.frameworks.conftest import Train, Trained
from trainwarden.model import Phase
from trainwarden.runs.follow import Follower

pytestmark = pytest.mark.heavy

EXAMPLES = REPOSITORY / "examples/heartbeat"
HF = {"step": 45, "max_steps": 45, "framework": "hf"}
LIGHTNING = {"step": 60, "epoch": 3, "framework": "lightning"}


def phases_shown(output: bytes) -> list[tuple[str, int | None]]:
    """Phase by phase, with the step at which it begins, to whoever reads every line as it comes."""
    follower, seen = Follower(1, 0.0), [("starting", None)]
    for at, piece in enumerate(re.split(rb"(?<=[\r\n])", output)):
        follower.feed(piece, at / 100)
        now = follower.progress()
        if now.phase.value != seen[-1][0]:
            seen.append((now.phase.value, now.step))
    return seen


def told(trained: Trained, names: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(trained.of("output"), name) for name in names}


# --- without a change to their code -----------------------------------------------------------------------
@pytest.mark.parametrize("script", ["train_hf.py", "train_hf4.py"])
def test_huggingface_is_followed_by_its_output_from_start_to_end(train: Train, script: str) -> None:
    trained = train(script)
    found = trained.of("output")
    assert told(trained, HF) == HF
    assert found.steps_done == 45 and found.errors == {} and found.loss is not None
    assert found.durations is not None and 30 <= sum(found.durations.counts) <= 44
    shown = phases_shown(trained.output)
    assert shown[:2] == [("starting", None), ("training", 1)]
    assert [step for phase, step in shown if phase == "evaluating"] == [10, 20, 30, 40, 45]
    if script == "train_hf.py":  # what transformers 4 prints does not show a save
        assert found.saves == 5


@pytest.mark.parametrize("bar", ["tqdm", "rich"])
def test_lightning_is_followed_by_its_output_from_start_to_end(train: Train, bar: str) -> None:
    trained = train("train_lightning.py", "--bar", bar)
    found = trained.of("output")
    assert told(trained, LIGHTNING) == LIGHTNING
    assert found.steps_done == 60 and found.errors == {} and found.loss is not None
    assert found.durations is not None and 40 <= sum(found.durations.counts) <= 59
    shown = phases_shown(trained.output)
    assert shown[:2] == [("starting", None), ("evaluating", None)], "the sanity check is no step"
    assert [step for phase, step in shown[2:] if phase == "evaluating"] == [20, 40, 60]


# --- with the callback ------------------------------------------------------------------------------------
@pytest.mark.parametrize("script", ["train_hf.py", "train_hf4.py"])
def test_huggingfaces_callback_tells_every_step_exactly(train: Train, script: str) -> None:
    trained = train(script, "--callback", "--workers", "2")
    found = trained.of("heartbeat")
    assert (found.step, found.steps_done, found.max_steps) == (45, 45, 45)
    assert (found.epoch, found.max_epochs, found.saves, found.framework) == (3, 3, 5, "hf")
    assert found.durations is not None and sum(found.durations.counts) == 44
    assert found.loss == pytest.approx(trained.of("output").loss, rel=0.01)
    assert trained.best.step == 45
    assert b"trainwarden heartbeat" not in trained.output, "nothing went wrong"


def test_huggingfaces_callback_goes_on_from_a_checkpoint(train: Train) -> None:
    train("train_hf.py", "--epochs", "2", name="first")
    found = train("train_hf.py", "--callback", "--resume-from-checkpoint", "out/checkpoint-20").of("heartbeat")
    assert (found.step, found.steps_done, found.max_steps) == (45, 25, 45)
    assert found.durations is not None and sum(found.durations.counts) == 24


def test_under_torchrun_every_rank_has_a_heartbeat(train: Train) -> None:
    torchrun = ("torchrun", "--standalone", "--nproc-per-node", "2")
    trained = train("train_hf.py", "--callback", launcher=torchrun)
    assert [trained.of("heartbeat", rank).steps_done for rank in (0, 1)] == [24, 24]
    assert trained.best.step == 24


def test_lightnings_callback_tells_every_step_exactly(train: Train) -> None:
    found = train("train_lightning.py", "--callback").of("heartbeat")
    assert (found.step, found.steps_done, found.max_steps) == (60, 60, 60)
    assert (found.epoch, found.max_epochs, found.saves, found.framework) == (3, 3, 3, "lightning")
    assert found.durations is not None and sum(found.durations.counts) == 59
    assert found.loss is not None and found.phase is Phase.EVALUATING


def test_lightnings_callback_counts_steps_where_the_bar_counts_batches_and_goes_on_from_a_checkpoint(
    train: Train,
) -> None:
    first = train("train_lightning.py", "--callback", "--accumulate", "2", name="first")
    assert (first.of("heartbeat").steps_done, first.of("output").steps_done) == (30, 60)
    assert first.best.step == 30
    resume = ("--accumulate", "2", "--resume-from-checkpoint", "out/epoch=0-step=10.ckpt")
    found = train("train_lightning.py", "--callback", *resume).of("heartbeat")
    assert (found.step, found.steps_done, found.max_steps) == (30, 20, 30)
    assert found.durations is not None and sum(found.durations.counts) == 19


# --- the examples -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("example", ["with_accelerate.py", "with_huggingface.py", "with_lightning.py"])
def test_an_example_tells_all_its_steps(train: Train, example: str) -> None:
    trained = train(str(EXAMPLES / example))
    found = trained.of("heartbeat")
    assert (found.step, found.steps_done, found.max_steps, found.epoch, found.max_epochs) == (20, 20, 20, 2, 2)
    assert found.durations is not None and sum(found.durations.counts) == 19
    assert found.saves == (1 if example == "with_accelerate.py" else 2)
    assert found.loss is not None
    assert b"trainwarden heartbeat" not in trained.output, "nothing went wrong"
