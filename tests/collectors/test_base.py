import logging

import pytest

from tests.collectors.samples import values
from trainwarden import names
from trainwarden.collectors.base import Reading, Watch, metric, watch_families
from trainwarden.errors import TrainwardenError


def fail(error: Exception) -> Reading:
    raise error


def test_a_reading_that_fails_is_none_and_shows_as_no_success() -> None:
    watch = Watch("gpu")
    assert watch.read(lambda: fail(TrainwardenError("no answer")), 10.0) is None
    found = values(watch_families([watch]))
    assert found["trainwarden_collector_success"] == {"gpu": 0}
    assert found["trainwarden_collector_duration_seconds"]["gpu"] >= 0
    assert "trainwarden_collector_last_success_timestamp_seconds" not in found


def test_a_reading_with_a_fault_is_used_and_shows_as_no_success() -> None:
    watch = Watch("runs")
    reading = Reading(faults=("one run is broken",))
    assert watch.read(lambda: reading, 10.0) is reading
    assert not watch.success


def test_the_last_success_stays_while_the_sensor_fails() -> None:
    watch = Watch("gpu")
    watch.read(Reading, 10.0)
    watch.read(lambda: fail(OSError("gone")), 20.0)
    assert values(watch_families([watch]))["trainwarden_collector_last_success_timestamp_seconds"] == {"gpu": 10}


class Begun:
    took = 0.25

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def settle(self, seconds: float) -> None:
        pass

    def result(self) -> Reading:
        return self._reading


def test_the_same_reading_once_more_is_no_new_success_takes_no_time_and_counts_no_timeout_twice() -> None:
    watch = Watch("gpu")
    first, second = Begun(Reading(timeouts=1)), Begun(Reading())
    watch.join(first, 10.0)
    first.took = 99.0
    assert watch.join(first, 11.0) is first.result()
    assert (watch.last_success, watch.duration, watch.timeouts) == (10.0, 0.25, 1)
    watch.join(second, 12.0)
    assert watch.last_success == 12.0


def test_a_fault_is_logged_once_and_its_end_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = Watch("gpu")
    for _ in range(3):
        watch.read(lambda: fail(TrainwardenError("no answer")), 10.0)
    for _ in range(3):
        watch.read(Reading, 10.0)
    assert caplog.messages == ["collector gpu: no answer", "collector gpu: reads well again"]


def test_only_an_error_that_nobody_foresaw_is_logged_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch("gpu")
    watch.read(lambda: fail(TrainwardenError("no answer")), 10.0)
    watch.read(lambda: fail(ZeroDivisionError("ours")), 10.0)
    assert [record.exc_info is not None for record in caplog.records] == [False, True]


def test_a_value_that_is_not_known_stays_absent_and_so_does_a_family_without_values() -> None:
    assert values(metric(names.RUN_STEP, [(("a",), 0), (("b",), None)])) == {"trainwarden_run_step": {"a": 0}}
    assert list(metric(names.RUN_STEP, [(("b",), None)])) == []
