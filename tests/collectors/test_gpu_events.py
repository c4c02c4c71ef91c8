"""XID errors, from the driver's events to the series."""

from collections.abc import Iterator

import pytest

from tests.collectors.gpu_console import sensor_console
from tests.collectors.samples import values
from tests.support.console import Console
from tests.support.nvml import FakeDriver, uuid_of
from tests.support.wait import wait_until
from trainwarden.collectors.gpu import GpusReading, Xid, families


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    nvml.resize(2)
    console = sensor_console(nvml)
    yield console
    console.close()


def counted(sensor: Console) -> dict[tuple[str, int], int]:
    return {(xid["uuid"], xid["number"]): xid["count"] for xid in sensor.ask("read()")["xids"]}


def test_each_error_is_counted_under_its_card_and_number_from_the_first_on(nvml: FakeDriver, sensor: Console) -> None:
    nvml.xid(0, 13)  # before the exporter came: nobody knows when
    assert counted(sensor) == {}
    began = sensor.ask("time.time()")
    nvml.xid(1, 79)
    nvml.xid(0, 31)
    nvml.xid(1, 79)
    wait_until(lambda: counted(sensor) == {(uuid_of(1), 79): 2, (uuid_of(0), 31): 1}, 10, "the errors are counted")
    assert all(began <= xid["last_at"] <= sensor.ask("time.time()") for xid in sensor.ask("read()")["xids"])


def test_errors_are_heard_while_every_call_about_the_card_hangs_and_stay_when_it_is_lost(
    nvml: FakeDriver, sensor: Console
) -> None:
    sensor.ask("read()")
    nvml.set(gpu=1, mode="hang")
    nvml.xid(1, 79)
    wait_until(lambda: counted(sensor) == {(uuid_of(1), 79): 1}, 10, "the error is counted")
    nvml.set(gpu=1, mode="lost")
    assert counted(sensor) == {(uuid_of(1), 79): 1}


def test_errors_are_heard_again_after_the_driver_was_loaded_anew(nvml: FakeDriver, sensor: Console) -> None:
    sensor.ask("read()")
    nvml.xid(0, 31)
    wait_until(lambda: counted(sensor) == {(uuid_of(0), 31): 1}, 10, "the first error is counted")
    nvml.set(mode="not_loaded")
    sensor.ask("read()")
    nvml.set(mode="ok")
    assert wait_until(lambda: [gpu["up"] for gpu in sensor.ask("read()")["gpus"]] == [True, True], 10, "it is back")
    nvml.xid(0, 31)
    wait_until(lambda: counted(sensor) == {(uuid_of(0), 31): 2}, 10, "the second is added")


THREADS = "sum('_work' in thread.name for thread in __import__('threading').enumerate())"
"""How many wait for the driver's events."""


def test_one_thread_waits_and_that_of_a_driver_that_is_gone_ends(nvml: FakeDriver, sensor: Console) -> None:
    sensor.ask("read()")
    assert sensor.ask(THREADS) == 1
    sensor.ask("gpus._driver.end()")
    sensor.ask("read()")
    wait_until(lambda: sensor.ask(THREADS) == 1, 10, "the former thread ends")


def test_a_driver_without_events_costs_no_thread_and_is_read_all_the_same(nvml: FakeDriver, sensor: Console) -> None:
    for gpu in range(2):
        nvml.set(gpu=gpu, events=None)
    reading = sensor.ask("read()")
    assert [gpu["up"] for gpu in reading["gpus"]] == [True, True]
    assert sensor.ask(THREADS) == 0


def test_an_error_has_a_counter_and_a_time_though_the_card_is_down() -> None:
    xid = Xid(index=0, uuid="u", number=79, count=2, last_at=1000.5)
    assert values(families(GpusReading(xids=(xid,)))) == {
        "trainwarden_gpus_expected": {"": 0},
        "trainwarden_gpu_xid_errors_total": {"0,u,79": 2},
        "trainwarden_gpu_xid_last_timestamp_seconds": {"0,u,79": 1000.5},
    }
