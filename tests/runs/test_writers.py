"""A heartbeat beside a follower: the exact one is gone by, and no healthy run looks hung between them."""

from typing import Any

import pytest

from trainwarden.model import Phase, Progress, StepDurations
from trainwarden.runs.folder import best_progress
from trainwarden.runs.writers import SILENT_SECONDS


def progress(writer: str, **told: Any) -> Progress:
    """By default in training since 100, and at step 10 since 200."""
    usual = {"phase": Phase.TRAINING, "phase_since": 100.0, "beat_at": 200.0, "step": 10, "last_step_at": 200.0}
    return Progress(writer=writer, generation=1, **{**usual, **told})


def best(heartbeat: Progress, output: Progress) -> Progress:
    found = best_progress([heartbeat, output], 1)
    assert found is not None
    return found


def test_steps_and_durations_are_the_heartbeats() -> None:
    exact = StepDurations([1], 0.05)
    heartbeat = progress("heartbeat", step=30, steps_done=30, durations=exact, median_step_seconds=2.0, loss=0.1)
    output = progress("output", step=60, steps_done=60, durations=StepDurations([9], 1.0), median_step_seconds=1.0)
    found = best(heartbeat, output)
    assert (found.step, found.steps_done, found.durations, found.median_step_seconds) == (30, 30, exact, 2.0)


def test_what_the_heartbeat_was_not_told_is_the_outputs() -> None:
    output = progress("output", max_steps=60, epoch=2, max_epochs=3, loss=0.5, saves=4, framework="kohya")
    found = best(progress("heartbeat"), output)
    assert (found.max_steps, found.epoch, found.max_epochs, found.loss, found.saves) == (60, 2, 3, 0.5, 4)
    assert found.framework == "kohya"


def test_errors_are_seen_in_the_output_and_losses_by_either() -> None:
    output = progress("output", errors={"cuda_out_of_memory": 1}, last_error="boom", nonfinite_losses=1)
    found = best(progress("heartbeat", nonfinite_losses=7), output)
    assert (found.errors, found.last_error, found.nonfinite_losses) == ({"cuda_out_of_memory": 1}, "boom", 7)


@pytest.mark.parametrize("phase", [Phase.EVALUATING, Phase.CHECKPOINTING, Phase.CACHING])
def test_an_evaluation_that_only_the_output_shows_does_not_look_like_a_step_that_hangs(phase: Phase) -> None:
    found = best(progress("heartbeat"), progress("output", phase=phase, phase_since=200.1))
    assert (found.phase, found.phase_since) == (phase, 200.1)


def test_a_phase_of_the_output_is_over_with_the_heartbeats_next_step() -> None:
    output = progress("output", phase=Phase.EVALUATING, phase_since=200.1)
    found = best(progress("heartbeat", beat_at=203.0, last_step_at=203.0), output)
    assert (found.phase, found.phase_since) == (Phase.TRAINING, 100.0)


def test_what_the_training_says_it_does_is_so_whatever_its_bar_shows() -> None:
    heartbeat = progress("heartbeat", phase=Phase.EVALUATING, phase_since=200.0)
    output = progress("output", phase=Phase.TRAINING, phase_since=201.0)
    found = best(heartbeat, output)
    assert (found.phase, found.phase_since) == (Phase.EVALUATING, 200.0)


def test_the_output_tells_what_comes_before_the_first_step() -> None:
    heartbeat = progress("heartbeat", phase=Phase.STARTING, beat_at=100.0, step=None, last_step_at=None)
    output = progress("output", phase=Phase.CACHING, phase_since=110.0, step=None, last_step_at=None)
    assert best(heartbeat, output).phase is Phase.CACHING
    earlier = progress("output", phase=Phase.STARTING, phase_since=110.0, step=None, last_step_at=None)
    assert best(heartbeat, earlier).phase_since == 100.0


def test_a_heartbeat_that_fell_silent_does_not_make_a_run_that_steps_look_hung() -> None:
    soon = best(progress("heartbeat"), progress("output", last_step_at=200.0 + SILENT_SECONDS, step=99))
    assert (soon.writer, soon.step, soon.last_step_at) == ("heartbeat", 10, 200.0 + SILENT_SECONDS)
    output = progress("output", last_step_at=200.1 + SILENT_SECONDS, step=99, steps_done=99)
    assert best(progress("heartbeat"), output) == output


def test_a_run_that_hangs_looks_hung_by_both() -> None:
    output = progress("output", beat_at=5000.0, last_step_at=199.0)
    found = best(progress("heartbeat"), output)
    assert (found.phase, found.last_step_at) == (Phase.TRAINING, 200.0)


def test_a_heartbeat_that_is_told_phases_and_no_steps_leaves_these_to_the_output() -> None:
    heartbeat = progress("heartbeat", phase=Phase.EVALUATING, phase_since=210.0, beat_at=210.0, last_step_at=None)
    found = best(heartbeat, progress("output", step=42))
    assert (found.step, found.phase, found.phase_since) == (42, Phase.EVALUATING, 210.0)
    later = progress("output", step=43, last_step_at=211.0)
    assert best(heartbeat, later) == later


@pytest.mark.parametrize("other", [{"generation": 2}, {"rank": 1}])
def test_a_heartbeat_of_another_generation_or_rank_is_no_news(other: dict[str, int]) -> None:
    heartbeat = Progress(**{**_fields(progress("heartbeat", step=99)), **other})
    output = progress("output")
    assert best_progress([heartbeat, output], 1) == output


def _fields(told: Progress) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.__struct_fields__}
