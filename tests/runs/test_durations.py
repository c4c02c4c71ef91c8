"""Durations of steps: every one in the histogram, the newest in the median."""

import pytest

from trainwarden.model import STEP_BUCKETS, StepDurations
from trainwarden.runs.durations import MEMORY, StepTimes


def test_before_the_first_step_there_is_no_median() -> None:
    times = StepTimes()
    assert times.median_seconds is None
    assert times.histogram == StepDurations([0] * (len(STEP_BUCKETS) + 1), 0.0)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.1, 0), (0.11, 1), (2.5, 6), (2.51, 7), (60.0, 13), (3600.0, 14)]
)
def test_a_bucket_holds_its_upper_bound(seconds: float, bucket: int) -> None:
    times = StepTimes()
    times.add(seconds, 1)
    assert times.histogram.counts.index(1) == bucket


def test_steps_that_appeared_together_share_the_time() -> None:
    times = StepTimes()
    times.add(10.0, 4)
    assert times.median_seconds == 2.5
    assert times.histogram.counts[STEP_BUCKETS.index(2.5)] == 4
    assert times.histogram.sum == 10.0


def test_the_median_forgets_and_the_histogram_does_not() -> None:
    times = StepTimes()
    times.add(1.0 * MEMORY, MEMORY)
    times.add(9.0 * (MEMORY // 2 + 1), MEMORY // 2 + 1)
    assert times.median_seconds == 9.0
    assert sum(times.histogram.counts) == MEMORY + MEMORY // 2 + 1


def test_many_steps_at_once_take_no_more_memory() -> None:
    times = StepTimes()
    times.add(1.0, 10**9)
    assert sum(times.histogram.counts) == 10**9


def test_a_former_followers_durations_are_carried_on() -> None:
    former = StepTimes()
    former.add(30.0, 10)
    times = StepTimes(former.histogram, former.median_seconds)
    assert (times.histogram, times.median_seconds) == (former.histogram, 3.0)
    times.add(100.0, 5)
    assert times.median_seconds == 3.0
    assert sum(times.histogram.counts) == 15


def test_a_histogram_of_other_buckets_is_begun_anew() -> None:
    assert sum(StepTimes(StepDurations([5, 5], 1.0), 1.0).histogram.counts) == 0
