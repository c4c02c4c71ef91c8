"""The GPU sensor before the fake driver, through the real pynvml in a child."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import values
from tests.support.console import Console
from tests.support.nvml import GIB, SONAME, FakeDriver, uuid_of
from trainwarden.collectors.gpu import Gpu, GpusReading, families

PRELUDE = """
from msgspec import to_builtins
from pathlib import Path
from trainwarden.collectors.gpu import Driver
driver = Driver(retry_seconds=0)
patient = Driver(retry_seconds=3600)
def read(): return to_builtins(driver.read())
"""


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    console = Console(PRELUDE, nvml.environment())
    yield console
    console.close()


def up(reading: dict[str, Any]) -> dict[str, bool]:
    return {gpu["uuid"]: gpu["up"] for gpu in reading["gpus"]}


def test_a_busy_card_is_read_in_base_units(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, memory_used=2 * GIB, memory_reserved=GIB, memory_total=16 * GIB, processes=[(1, None)])
    assert sensor.ask("read()") == {
        "faults": [],
        "listed": 1,
        "driver_version": "550.54.15",
        "gpus": [
            {
                "index": 0,
                "uuid": uuid_of(0),
                "up": True,
                "name": "NVIDIA GeForce RTX 4080",
                "utilization_ratio": 0.99,
                "memory_total_bytes": 16 * GIB,
                "memory_used_bytes": 2 * GIB,
                "memory_free_bytes": 13 * GIB,
                "temperature_celsius": 47,
                "power_watts": 250.0,
                "processes": 1,
            }
        ],
    }


def test_what_a_driver_does_not_support_is_absent_and_no_fault(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, power=None, utilization=None, processes=None, temperature=None, memory_used=None, name=None)
    reading = sensor.ask("read()")
    assert reading["faults"] == []
    told = {key for key, value in reading["gpus"][0].items() if value not in (None, "")}
    assert told == {"index", "uuid", "up"}


def test_a_lost_card_stays_visible_as_down_and_comes_back(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    sensor.ask("read()")
    nvml.set(gpu=1, mode="lost")
    reading = sensor.ask("read()")
    assert (up(reading), reading["faults"]) == ({uuid_of(0): True, uuid_of(1): False}, [])
    nvml.set(gpu=1, mode="ok")
    assert up(sensor.ask("read()")) == {uuid_of(0): True, uuid_of(1): True}


def test_a_card_that_the_driver_no_longer_lists_stays_visible_as_down(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(2)
    sensor.ask("read()")
    nvml.resize(1)
    reading = sensor.ask("read()")
    assert (reading["listed"], up(reading)) == (1, {uuid_of(0): True, uuid_of(1): False})


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


def test_no_driver_is_an_empty_reading_and_one_that_appears_later_is_found(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="not_loaded")
    assert sensor.ask("read()") == {"faults": [], "listed": 0, "driver_version": "", "gpus": []}
    nvml.set(mode="ok")
    assert up(sensor.ask("read()")) == {uuid_of(0): True}


def test_an_absent_driver_is_not_asked_at_every_scrape(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="not_loaded")
    assert sensor.ask("patient.read().listed") == 0
    nvml.set(mode="ok")
    assert sensor.ask("patient.read().listed") == 0
    assert sensor.ask("read()['listed']") == 1


def test_a_driver_that_goes_away_leaves_its_cards_visible_as_down(nvml: FakeDriver, sensor: Console) -> None:
    sensor.ask("read()")
    nvml.set(mode="not_loaded")
    with pytest.raises(RuntimeError, match="DriverError: the NVIDIA driver does not answer: Driver Not Loaded; where"):
        sensor.ask("read()")
    reading = sensor.ask("read()")
    assert (reading["listed"], up(reading)) == (0, {uuid_of(0): False})
    nvml.set(mode="ok")
    assert up(sensor.ask("read()")) == {uuid_of(0): True}


def test_access_blocked_by_the_system_is_a_fault_and_not_an_absence(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(mode="blocked")
    with pytest.raises(RuntimeError, match=r"DriverError: .*The operating system has blocked the request; where"):
        sensor.ask("read()")


@pytest.fixture
def hidden(tmp_path: Path) -> dict[str, str]:
    """An environment in which the dynamic linker finds no driver, not even a real one."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / SONAME).touch()
    return {"LD_LIBRARY_PATH": str(folder)}


def read_with_fallback(fallback: Path, environment: dict[str, str]) -> Any:
    console = Console(PRELUDE, environment)
    try:
        return console.ask(f"to_builtins(Driver(Path({str(fallback)!r})).read())")
    finally:
        console.close()


def test_the_library_is_found_where_wsl_has_it(nvml: FakeDriver, hidden: dict[str, str]) -> None:
    reading = read_with_fallback(nvml.library, {**nvml.environment(), **hidden})
    assert up(reading) == {uuid_of(0): True}


def test_without_any_library_there_is_no_gpu(tmp_path: Path, hidden: dict[str, str]) -> None:
    assert read_with_fallback(tmp_path / "none", hidden)["listed"] == 0


def test_a_lost_card_has_no_other_series_than_that_it_is_down() -> None:
    reading = GpusReading(listed=1, gpus=(Gpu(index=0, uuid="GPU-a", up=False),))
    assert values(families(reading)) == {"trainwarden_gpus": {"": 1}, "trainwarden_gpu_up": {"0,GPU-a": 0}}
