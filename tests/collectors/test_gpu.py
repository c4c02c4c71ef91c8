"""The GPU sensor before the fake driver: what is read, and what a driver does not tell."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.gpu_console import PRELUDE, sensor_console, up
from tests.collectors.samples import values
from tests.support.console import Console
from tests.support.nvml import GIB, SONAME, FakeDriver, pci_of, uuid_of
from trainwarden.collectors.gpu import Gpu, GpusReading, families


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    console = sensor_console(nvml)
    yield console
    console.close()


def test_a_busy_card_is_read_in_base_units(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, memory_used=2 * GIB, memory_reserved=GIB, memory_total=16 * GIB, processes=[(7, GIB), (8, None)])
    nvml.field(0, 82, 71)
    reading = sensor.ask("read()")
    (card,) = reading.pop("gpus")
    assert reading == {
        "faults": [],
        "timeouts": 0,
        "listed": 1,
        "expected": 1,
        "driver_version": "550.54.15",
        "xids": [],
    }
    assert card == {
        "index": 0,
        "uuid": uuid_of(0),
        "up": True,
        "name": "NVIDIA GeForce RTX 4080",
        "pci_bus_id": pci_of(0),
        "utilization_ratio": 0.99,
        "memory_total_bytes": 16 * GIB,
        "memory_used_bytes": 2 * GIB,
        "memory_free_bytes": 13 * GIB,
        "temperature_celsius": 47,
        "memory_temperature_celsius": 71,
        "power_watts": 250.0,
        "power_limit_watts": 320.0,
        "energy_joules": 5_400_000.0,
        "sm_clock_hertz": 2505e6,
        "memory_clock_hertz": 11201e6,
        "performance_state": 2,
        "throttling": {
            "gpu_idle": False,
            "applications_clocks_setting": False,
            "sw_power_cap": True,
            "hw_slowdown": False,
            "sync_boost": False,
            "sw_thermal_slowdown": False,
            "hw_thermal_slowdown": False,
            "hw_power_brake_slowdown": False,
            "display_clock_setting": False,
        },
        "throttled_seconds": {"sw_power_cap": 12.0, "thermal": 0.0},
        "fan_ratio": 0.3,
        "pcie_receive_bytes_per_second": None,
        "pcie_transmit_bytes_per_second": None,
        "processes": [{"pid": 7, "memory_bytes": GIB}, {"pid": 8, "memory_bytes": None}],
        "migs": [],
    }


NUMBERS = {
    "power": "power_watts",
    "power_limit": "power_limit_watts",
    "utilization": "utilization_ratio",
    "temperature": "temperature_celsius",
    "memory_used": "memory_used_bytes",
    "clock_sm": "sm_clock_hertz",
    "clock_memory": "memory_clock_hertz",
    "performance_state": "performance_state",
    "throttle": "throttling",
    "fan": "fan_ratio",
    "processes": "processes",
    "name": "name",
    "pci": "pci_bus_id",
    "events": "xids",
}


def test_what_a_driver_does_not_support_is_absent_and_no_fault(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, fields={}, **dict.fromkeys(NUMBERS))
    reading = sensor.ask("read()")
    assert reading["faults"] == []
    told = {key for key, value in reading["gpus"][0].items() if value not in (None, "", {}, [])}
    assert told == {"index", "uuid", "up"}


@pytest.mark.parametrize("fact", sorted(set(NUMBERS) - {"events"}))
def test_one_fact_that_is_not_supported_leaves_the_others_alone(nvml: FakeDriver, sensor: Console, fact: str) -> None:
    nvml.set(gpu=0, fields={})
    whole = sensor.ask("read()")["gpus"][0]
    nvml.set(gpu=0, **{fact: None})
    part = sensor.ask("to_builtins(Gpus(Driver()).read())")["gpus"][0]
    gone = {key for key in whole if whole[key] != part[key]}
    assert gone == {NUMBERS[fact]} | ({"memory_total_bytes", "memory_free_bytes"} if fact == "memory_used" else set())


def test_a_driver_without_field_values_tells_power_and_energy_by_their_own_calls(
    nvml: FakeDriver, sensor: Console
) -> None:
    nvml.set(lacks=["nvmlDeviceGetFieldValues"])
    nvml.set(gpu=0, energy=9_000, power=111_000, power_limit=222_000)
    card = sensor.ask("read()")["gpus"][0]
    assert (card["energy_joules"], card["power_watts"], card["power_limit_watts"]) == (9.0, 111.0, 222.0)
    assert (card["memory_temperature_celsius"], card["throttled_seconds"]) == (None, {})


def test_an_older_driver_has_its_own_names_for_memory_and_throttling(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(
        lacks=[
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetCurrentClocksEventReasons",
            "nvmlDeviceGetSupportedClocksEventReasons",
        ]
    )
    nvml.set(gpu=0, memory_used=2 * GIB, memory_reserved=GIB, memory_total=8 * GIB, throttle_supported=0x14)
    card = sensor.ask("read()")["gpus"][0]
    assert card["memory_used_bytes"] == 3 * GIB
    assert card["throttling"] == {"sw_power_cap": True, "sync_boost": False}


def test_an_unknown_performance_state_is_absent(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, performance_state=32)
    assert sensor.ask("read()")["gpus"][0]["performance_state"] is None


def test_pcie_traffic_is_read_only_where_it_is_asked_for(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, pcie_receive=3, pcie_transmit=5)
    card = sensor.ask("to_builtins(Gpus(Driver(pcie=True)).read())")["gpus"][0]
    assert (card["pcie_receive_bytes_per_second"], card["pcie_transmit_bytes_per_second"]) == (3 * 1024, 5 * 1024)
    assert sensor.ask("read()")["gpus"][0]["pcie_receive_bytes_per_second"] is None


def test_more_processes_than_there_was_room_for_are_all_read(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, processes=[(pid, pid * GIB) for pid in range(1, 61)])
    processes = sensor.ask("read()")["gpus"][0]["processes"]
    assert [(p["pid"], p["memory_bytes"]) for p in processes] == [(pid, pid * GIB) for pid in range(1, 61)]


def test_a_reading_costs_ten_calls_a_card_and_fewer_where_less_is_supported(nvml: FakeDriver, sensor: Console) -> None:
    nvml.resize(8)
    sensor.ask("read()")
    assert sensor.ask("calls()") == 80
    for gpu in range(8):
        nvml.set(gpu=gpu, fan=None)
    assert (sensor.ask("calls()"), sensor.ask("calls()")) == (80, 72)


def test_a_field_that_a_card_refused_is_not_asked_for_again(nvml: FakeDriver, sensor: Console) -> None:
    nvml.field(0, 82, None)
    sensor.ask("read()")
    nvml.field(0, 82, 71)
    assert sensor.ask("read()")["gpus"][0]["memory_temperature_celsius"] is None


def test_what_a_card_is_is_asked_anew_after_a_while(nvml: FakeDriver, sensor: Console) -> None:
    assert sensor.ask("read()")["gpus"][0]["name"] == "NVIDIA GeForce RTX 4080"
    nvml.set(gpu=0, name="NVIDIA H100")
    assert sensor.ask("read()")["gpus"][0]["name"] == "NVIDIA GeForce RTX 4080"
    sensor.ask("setattr(card, 'REMEMBER_SECONDS', -60)")
    sensor.ask("setattr(gpus._driver.session.cards[0], '_known', None)")
    sensor.ask("read()")
    nvml.set(gpu=0, name="NVIDIA H200")
    assert sensor.ask("read()")["gpus"][0]["name"] == "NVIDIA H200"


def test_a_field_of_a_type_that_is_not_known_here_is_absent(nvml: FakeDriver, sensor: Console) -> None:
    nvml.field(0, 82, 71)
    sensor.ask("setattr(asking.Fields, 'TYPES', 'd')")  # of which the fake's fields are none
    reading = sensor.ask("read()")
    assert (reading["faults"], reading["gpus"][0]["memory_temperature_celsius"]) == ([], None)


def test_a_card_that_sleeps_is_up_and_is_not_woken(nvml: FakeDriver, sensor: Console, tmp_path: Path) -> None:
    power = tmp_path / pci_of(0)[4:].lower() / "power"
    power.mkdir(parents=True)
    (power / "control").write_text("auto\n")
    (power / "runtime_status").write_text("suspended\n")
    sensor.ask("setattr(card, 'REMEMBER_SECONDS', -60)")  # not even to learn anew what it is
    sensor.ask(f"globals().update(gpus=Gpus(Driver(pci_devices=Path({str(tmp_path)!r}))))")
    sensor.ask("read()")
    assert sensor.ask("calls()") == 0
    (card,) = sensor.ask("read()")["gpus"]
    assert (card["up"], card["name"], card["utilization_ratio"]) == (True, "NVIDIA GeForce RTX 4080", None)
    (power / "runtime_status").write_text("active\n")
    assert sensor.ask("read()")["gpus"][0]["utilization_ratio"] == 0.99


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
        return console.ask(f"to_builtins(Gpus(Driver(fallback=Path({str(fallback)!r}))).read())")
    finally:
        console.close()


def test_the_library_is_found_where_wsl_has_it(nvml: FakeDriver, hidden: dict[str, str]) -> None:
    reading = read_with_fallback(nvml.library, {**nvml.environment(), **hidden})
    assert up(reading) == {uuid_of(0): True}


def test_without_any_library_there_is_no_gpu(tmp_path: Path, hidden: dict[str, str]) -> None:
    reading = read_with_fallback(tmp_path / "none", hidden)
    assert (reading["listed"], reading["faults"]) == (0, [])


def test_a_lost_card_has_no_other_series_than_that_it_is_down() -> None:
    reading = GpusReading(listed=1, expected=1, gpus=(Gpu(index=0, uuid="GPU-a", up=False),))
    assert values(families(reading)) == {
        "trainwarden_gpus": {"": 1},
        "trainwarden_gpus_expected": {"": 1},
        "trainwarden_gpu_up": {"0,GPU-a": 0},
    }


def test_every_value_stands_under_its_card_and_branch() -> None:
    card = Gpu(
        index=0,
        uuid="u",
        up=True,
        name="RTX",
        pci_bus_id="00000000:01:00.0",
        temperature_celsius=40,
        memory_temperature_celsius=50,
        sm_clock_hertz=1e9,
        memory_clock_hertz=2e9,
        throttling={"sw_power_cap": True},
        throttled_seconds={"thermal": 1.5},
        pcie_receive_bytes_per_second=1.0,
        pcie_transmit_bytes_per_second=2.0,
        processes=(),
    )
    found = values(families(GpusReading(listed=1, driver_version="550", gpus=(card,))))
    assert found["trainwarden_gpu_info"] == {"550,0,RTX,00000000:01:00.0,u": 1}
    assert found["trainwarden_gpu_temperature_celsius"] == {"0,gpu,u": 40, "0,memory,u": 50}
    assert found["trainwarden_gpu_clock_hertz"] == {"sm,0,u": 1e9, "memory,0,u": 2e9}
    assert found["trainwarden_gpu_throttle_active"] == {"0,sw_power_cap,u": 1}
    assert found["trainwarden_gpu_throttle_seconds_total"] == {"0,thermal,u": 1.5}
    assert found["trainwarden_gpu_pcie_bytes_per_second"] == {"receive,0,u": 1, "transmit,0,u": 2}
    assert found["trainwarden_gpu_processes"] == {"0,u": 0}
