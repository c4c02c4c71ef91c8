"""The GPU sensor while something fails: the rest stays fresh and in time, and all recovers by itself."""

from collections.abc import Iterator

import pytest

from tests.collectors.gpu_console import all_but, sensor_console, up
from tests.support.console import Console
from tests.support.nvml import FakeDriver, uuid_of
from tests.support.wait import wait_until

LIMIT = 0.9
"""Seconds: what a reading may take on a busy machine; it waits for 0.7 s."""


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    console = sensor_console(nvml)
    yield console
    console.close()


@pytest.fixture
def eight(nvml: FakeDriver, sensor: Console) -> Console:
    nvml.resize(8)
    assert up(sensor.ask("read()")) == all_but(set())
    return sensor


def test_with_one_of_eight_hung_the_others_are_fresh_and_it_has_nothing_but_that_it_is_down(
    nvml: FakeDriver, eight: Console
) -> None:
    nvml.set(gpu=3, mode="hang")
    for gpu in range(8):
        nvml.set(gpu=gpu, temperature=80 + gpu)
    for limit in (LIMIT, 0.2):  # only the first reading waits for it
        reading = eight.ask("timed()")
        assert (up(reading), reading["took"] < limit) == (all_but({3}), True)
        assert {gpu["uuid"]: gpu["temperature_celsius"] for gpu in reading["gpus"]} == {
            uuid_of(gpu): None if gpu == 3 else 80 + gpu for gpu in range(8)
        }
        assert reading["faults"] == ["GPU 3 has not answered within 0.25 s; still waiting"]
        assert reading["timeouts"] == 1
    nvml.set(gpu=3, mode="ok")
    assert wait_until(lambda: up(eight.ask("read()")) == all_but(set()), 5, "the card answers again")
    assert eight.ask("read()")["faults"] == []


def test_all_eight_that_hang_at_once_do_not_hold_the_reading_up(nvml: FakeDriver, eight: Console) -> None:
    for gpu in range(8):
        nvml.set(gpu=gpu, mode="hang")
    reading = eight.ask("timed()")
    assert (reading["took"] < LIMIT, reading["timeouts"], up(reading)) == (True, 8, all_but(set(range(8))))
    for gpu in range(8):
        nvml.set(gpu=gpu, mode="ok")
    wait_until(lambda: up(eight.ask("read()")) == all_but(set()), 5, "all answer again")


def test_cards_that_hang_one_after_the_other_never_hold_a_reading_up(nvml: FakeDriver, eight: Console) -> None:
    for gpu in range(8):
        nvml.set(gpu=gpu, mode="hang")
        reading = eight.ask("timed()")
        assert (up(reading), reading["took"] < LIMIT) == (all_but(set(range(gpu + 1))), True)
    assert eight.ask("timed()")["took"] < 0.2


def test_a_tighter_limit_is_kept(nvml: FakeDriver, eight: Console) -> None:
    nvml.set(gpu=0, mode="hang")
    assert eight.ask("timed(0.05)")["took"] < 0.25


def test_a_tighter_limit_is_kept_while_the_driver_hangs_at_its_opening(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="hang")
    assert sensor.ask("timed(0.05)")["took"] < 0.2


def test_a_card_that_hangs_from_the_start_is_down_without_a_uuid(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    nvml.set(gpu=0, mode="hang")
    assert up(sensor.ask("read()")) == {uuid_of(1): True, "": False}


def test_a_driver_that_hangs_while_it_is_opened_is_waited_for_shortly_and_found_later(
    nvml: FakeDriver, sensor: Console
) -> None:
    nvml.set(mode="hang")
    reading = sensor.ask("timed()")
    assert (reading["took"] < LIMIT, reading["listed"], reading["gpus"]) == (True, None, [])
    assert reading["faults"] == ["the NVIDIA driver has not answered within 0.25 s; still waiting"]
    assert reading["timeouts"] == 1
    nvml.set(mode="ok")
    assert wait_until(lambda: up(sensor.ask("read()")), 5, "it is opened") == {uuid_of(0): True}


@pytest.mark.parametrize("looks_again", [False, True])
def test_a_driver_that_hangs_as_a_whole_leaves_its_cards_down(
    nvml: FakeDriver, eight: Console, looks_again: bool
) -> None:
    if looks_again:
        eight.ask("setattr(gpus._driver.session, 'look_at', 0)")
    nvml.set(mode="hang")
    reading = eight.ask("timed()")
    assert (up(reading), reading["took"] < LIMIT) == (all_but(set(range(8))), True)
    nvml.set(mode="ok")
    wait_until(lambda: up(eight.ask("read()")) == all_but(set()), 5, "all answer again")


def test_the_driver_is_not_closed_under_a_call_that_hangs(nvml: FakeDriver, eight: Console) -> None:
    nvml.set(gpu=0, mode="hang")
    eight.ask("read()")
    eight.ask("gpus._driver.end()")
    reading = eight.ask("timed()")
    assert (up(reading), reading["took"] < LIMIT) == (all_but({0}), True)
    nvml.set(gpu=0, mode="ok")
    wait_until(lambda: up(eight.ask("read()")) == all_but(set()), 5, "the card answers again")


def test_a_lost_card_stays_visible_as_down_and_comes_back(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    sensor.ask("read()")
    nvml.set(gpu=1, mode="lost")
    reading = sensor.ask("read()")
    assert (up(reading), reading["faults"]) == ({uuid_of(0): True, uuid_of(1): False}, [])
    nvml.set(gpu=1, mode="ok")
    assert up(sensor.ask("read()")) == {uuid_of(0): True, uuid_of(1): True}


def test_the_driver_is_opened_anew_now_and_then_while_a_card_is_lost(nvml: FakeDriver, sensor: Console) -> None:
    sensor.ask("read()")
    nvml.set(gpu=0, mode="lost")
    opened = "gpus._driver.session and gpus._driver.session.opened_at"
    sensor.ask("read()")
    before = sensor.ask(opened)
    sensor.ask("read()")
    assert sensor.ask(opened) == before
    sensor.ask("setattr(sensor, 'REOPEN_SECONDS', 0)")
    sensor.ask("read()")
    sensor.ask("read()")
    assert sensor.ask(opened) != before


def test_a_card_that_the_driver_no_longer_lists_stays_visible_as_down(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    sensor.ask("read()")
    nvml.resize(1)
    reading = sensor.ask("read()")
    assert (up(reading), reading["faults"]) == (
        {uuid_of(0): True, uuid_of(1): False},
        ["GPU 1 does not answer: Invalid Argument; see what nvidia-smi says"],
    )
    reading = sensor.ask("read()")
    assert (reading["listed"], reading["expected"], reading["faults"]) == (1, 2, [])
    assert up(reading) == {uuid_of(0): True, uuid_of(1): False}


def test_what_is_configured_is_expected_whatever_was_seen(nvml: FakeDriver, sensor: Console) -> None:
    assert sensor.ask("Gpus(Driver(), expected=8).read().expected") == 8


def test_a_card_that_was_lost_before_it_was_ever_read_is_down_without_a_uuid(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, mode="lost")
    reading = sensor.ask("read()")
    assert (reading["listed"], up(reading)) == (1, {"": False})


def test_an_unknown_error_of_one_card_is_a_fault_and_leaves_the_other_alone(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    sensor.ask("read()")
    nvml.set(gpu=0, mode="unknown")
    reading = sensor.ask("read()")
    assert up(reading) == {uuid_of(1): True, uuid_of(0): False}
    assert reading["faults"] == ["GPU 0 does not answer: Unknown Error; see what nvidia-smi says"]
    assert reading["timeouts"] == 0


def test_no_driver_is_an_empty_reading_and_one_that_appears_later_is_found(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="not_loaded")
    reading = sensor.ask("read()")
    assert (reading["listed"], reading["gpus"], reading["faults"]) == (0, [], [])
    nvml.set(mode="ok")
    assert up(sensor.ask("read()")) == {uuid_of(0): True}


def test_an_absent_driver_is_not_asked_at_every_scrape(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="not_loaded")
    sensor.ask("globals().update(gpus=Gpus(Driver(retry_seconds=3600)))")
    assert sensor.ask("read()")["listed"] == 0
    nvml.set(mode="ok")
    assert (sensor.ask("calls()"), sensor.ask("read()")["listed"]) == (0, 0)


def test_a_driver_that_goes_away_leaves_its_cards_visible_as_down_and_may_come_back(
    nvml: FakeDriver, sensor: Console
) -> None:
    sensor.ask("read()")
    nvml.set(mode="not_loaded")
    reading = sensor.ask("read()")
    assert reading["faults"] == [
        "the NVIDIA driver does not answer: Driver Not Loaded; where nvidia-smi says the same, restart the machine"
        " (under WSL2: wsl --shutdown), else what says this"
    ]
    assert up(reading) == {uuid_of(0): False}
    reading = sensor.ask("read()")
    assert (reading["listed"], reading["expected"], reading["faults"]) == (0, 1, [])
    assert up(reading) == {uuid_of(0): False}
    nvml.set(mode="ok")
    reading = sensor.ask("read()")
    assert (reading["listed"], up(reading), reading["faults"]) == (1, {uuid_of(0): True}, [])


def test_a_reloaded_driver_is_opened_anew(nvml: FakeDriver, sensor: Console) -> None:
    sensor.ask("read()")
    sensor.ask("ctypes.CDLL('libnvidia-ml.so.1').nvmlShutdown()")  # what a reload does to the handles
    assert up(sensor.ask("read()")) == {uuid_of(0): False}
    assert up(sensor.ask("read()")) == {uuid_of(0): True}


def test_access_blocked_by_the_system_is_a_fault_and_not_an_absence(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="blocked")
    reading = sensor.ask("read()")
    assert reading["listed"] is None
    assert reading["faults"][0].startswith("the NVIDIA driver does not answer: GPU access blocked by the operating")
