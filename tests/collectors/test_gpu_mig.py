"""MIG devices, where a card is divided."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.collectors.gpu_console import sensor_console
from tests.collectors.samples import values
from tests.support.console import Console
from tests.support.nvml import GIB, FakeDriver
from trainwarden.collectors.gpu import Gpu, GpusReading, Mig, families


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    console = sensor_console(nvml)
    yield console
    console.close()


def migs(sensor: Console) -> Any:
    return sensor.ask("read()")["gpus"][0]["migs"]


def test_each_mig_device_is_read_with_its_profile_and_memory(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, utilization=None, migs=[("MIG-a", "1g.10gb", GIB, 10 * GIB), ("MIG-b", "2g.20gb", 0, 20 * GIB)])
    assert migs(sensor) == [
        {"uuid": "MIG-a", "profile": "1g.10gb", "memory_used_bytes": GIB, "memory_total_bytes": 10 * GIB},
        {"uuid": "MIG-b", "profile": "2g.20gb", "memory_used_bytes": 0, "memory_total_bytes": 20 * GIB},
    ]
    nvml.set(gpu=0, migs=[("MIG-a", "1g.10gb", 2 * GIB, 10 * GIB), ("MIG-b", "2g.20gb", 0, 20 * GIB)])
    assert migs(sensor)[0]["memory_used_bytes"] == 2 * GIB


@pytest.mark.parametrize("divided", [None, []])
def test_a_card_that_cannot_be_divided_or_is_whole_has_none(nvml: FakeDriver, sensor: Console, divided: Any) -> None:
    nvml.set(gpu=0, migs=divided)
    assert migs(sensor) == []


def test_a_division_that_has_changed_is_read_anew(nvml: FakeDriver, sensor: Console) -> None:
    nvml.set(gpu=0, migs=[("MIG-a", "1g.10gb", 0, GIB), ("MIG-b", "1g.10gb", 0, GIB)])
    assert [mig["uuid"] for mig in migs(sensor)] == ["MIG-a", "MIG-b"]
    nvml.set(gpu=0, migs=[("MIG-c", "7g.80gb", 0, GIB)])
    reading = sensor.ask("read()")  # its second handle means nothing any more
    assert (reading["gpus"][0]["up"], reading["faults"]) == (True, [])
    assert [mig["uuid"] for mig in migs(sensor)] == ["MIG-c"]


def test_mig_families_stand_under_their_card() -> None:
    mig = Mig(uuid="MIG-a", profile="1g.10gb", memory_total_bytes=10, memory_used_bytes=None)
    found = values(families(GpusReading(gpus=(Gpu(index=0, uuid="u", up=True, migs=(mig,)),))))
    assert found["trainwarden_gpu_mig_info"] == {"0,MIG-a,1g.10gb,u": 1}
    assert found["trainwarden_gpu_mig_memory_total_bytes"] == {"0,MIG-a,u": 10}
    assert "trainwarden_gpu_mig_memory_used_bytes" not in found
