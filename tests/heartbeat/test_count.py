"""Steps, durations, phases and losses, added up with times that the test hands in."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwarden.heartbeat.count import BUCKETS, PHASES, Count
from trainwarden.model import STEP_BUCKETS, Phase, Progress


def read(count: Count) -> Progress:
    """Through the very form that the exporter reads."""
    whole = {"writer": "heartbeat", "generation": 1, **count.document(lambda moment: moment)}
    assert whole.keys() <= set(Progress.__struct_fields__)
    return msgspec.json.decode(msgspec.json.encode(whole), type=Progress)


def test_it_speaks_of_the_same_buckets_and_phases_as_the_model() -> None:
    assert BUCKETS == STEP_BUCKETS
    assert set(PHASES) == {phase.value for phase in Phase if phase.live}


def test_every_step_but_the_first_is_timed_exactly() -> None:
    count = Count(0.0)
    for n, now in enumerate((10.0, 12.5, 15.0, 15.05), start=1):
        count.take(n, now)
    found = read(count)
    assert (found.step, found.steps_done, found.phase, found.last_step_at) == (4, 4, Phase.TRAINING, 15.05)
    assert found.durations is not None
    assert found.durations.sum == pytest.approx(5.05)
    assert {BUCKETS[i]: n for i, n in enumerate(found.durations.counts) if n} == {0.1: 1, 2.5: 2}
    assert found.median_step_seconds == 2.5


def test_a_resumed_training_goes_on_from_its_checkpoint_and_counts_only_its_own_steps() -> None:
    count = Count(0.0)
    count.start(20, 1.0)
    count.take(21, 2.0)
    count.take(22, 3.0)
    assert (read(count).step, read(count).steps_done) == (22, 2)


def test_steps_need_no_number() -> None:
    count = Count(0.0)
    count.start(20, 1.0)
    count.take(None, 2.0)
    count.take(None, 3.0)
    assert read(count).step == 22


def test_several_steps_at_once_share_the_time() -> None:
    count = Count(0.0)
    count.take(100, 10.0)
    count.take(200, 60.0)
    found = read(count)
    assert found.steps_done == 101
    assert found.durations is not None and found.durations.counts[BUCKETS.index(0.5)] == 100
    assert found.median_step_seconds == 0.5


def test_the_same_number_again_is_a_sign_of_life_and_no_step() -> None:
    count = Count(0.0)
    for now in (1.0, 2.0, 3.0):
        count.take(1, now)
    found = read(count)
    assert (found.steps_done, found.beat_at, found.last_step_at) == (1, 3.0, 1.0)
    count.take(2, 4.0)
    assert count.sum == 3.0, "a step of three batches"


def test_a_smaller_number_is_an_earlier_state_that_was_loaded() -> None:
    count = Count(0.0)
    count.take(50, 1.0)
    count.take(41, 100.0)
    count.take(42, 102.0)
    found = read(count)
    assert (found.step, found.steps_done) == (42, 3)
    assert count.sum == 2.0, "the loading is no step's time"


def test_the_time_of_an_evaluation_and_a_save_is_no_steps() -> None:
    count = Count(0.0)
    count.take(1, 1.0)
    count.enter("evaluating", 2.0)
    count.enter("checkpointing", 100.0)
    count.enter(count.main_phase, 130.0)
    count.take(2, 131.5)
    found = read(count)
    assert count.sum == 2.5
    assert (found.saves, found.last_save_seconds, found.phase, found.phase_since) == (1, 30.0, Phase.TRAINING, 130.0)


def test_a_step_in_a_phase_that_nobody_ended_is_counted_and_not_timed() -> None:
    count = Count(0.0)
    count.take(1, 1.0)
    count.enter("evaluating", 2.0)
    count.take(2, 100.0)
    found = read(count)
    assert (found.steps_done, found.phase, count.sum) == (2, Phase.TRAINING, 0.0)


def test_an_evaluation_before_the_first_step_goes_back_to_the_start() -> None:
    count = Count(0.0)
    count.enter("evaluating", 1.0)
    assert count.main_phase == "starting"
    count.take(1, 2.0)
    assert count.main_phase == "training"
    count.start(0, 3.0)
    assert count.main_phase == "starting", "a second training in the same process warms up, too"


def test_a_phase_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"^phase 'eval' is not one of starting, caching, training, evaluating"):
        Count(0.0).enter("eval", 1.0)


def test_a_loss_that_is_not_finite_is_counted_and_leaves_no_old_one_standing() -> None:
    count = Count(0.0)
    for loss in (0.5, float("nan"), float("inf"), -float("inf")):
        count.note_loss(loss)
    found = read(count)
    assert (found.loss, found.nonfinite_losses) == (None, 3)


@pytest.mark.parametrize("number", [2**53, -(2**80), float("inf"), float("nan"), "many"])
def test_a_number_that_no_file_can_hold_is_left_out(number: Any) -> None:
    count = Count(0.0, max_steps=number, max_epochs=number)
    count.epoch = number
    assert (read(count).max_steps, read(count).max_epochs, read(count).epoch) == (None, None, None)


def test_a_step_beyond_all_measure_leaves_a_file_that_can_be_read() -> None:
    count = Count(0.0)
    for step in (1, 2**70, 2**80):
        count.take(step, float(step.bit_length()))
    assert (read(count).step, read(count).steps_done) == (None, 2**53)


_NEWS = st.one_of(
    st.tuples(st.just("take"), st.none() | st.integers(-5, 100)),
    st.tuples(st.just("enter"), st.sampled_from(PHASES)),
    st.tuples(st.just("start"), st.integers(0, 100)),
)


@given(st.lists(st.tuples(_NEWS, st.floats(0, 100))))
def test_whatever_is_told_no_step_is_timed_twice_nor_more_time_than_passed(news: list) -> None:
    count, now = Count(0.0), 0.0
    for (verb, value), later in news:
        now += later
        getattr(count, verb)(value, now)
    found = read(count)
    assert found.durations is not None
    assert 0 <= sum(found.durations.counts) <= found.steps_done
    assert -1e-6 <= found.durations.sum <= now + 1e-6
    assert found.phase.live
