"""The structures and numbers of NVML, held against those of NVIDIA's own binding (which only these tests import)."""

import ctypes
import struct

import pynvml
import pytest

from trainwarden.collectors.gpu import asking, events, nvml, questions


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (nvml.Utilization, pynvml.c_nvmlUtilization_t),
        (nvml.Memory, pynvml.c_nvmlMemory_t),
        (nvml.Memory2, pynvml.c_nvmlMemory_v2_t),
        (nvml.PciInfo, pynvml.nvmlPciInfo_t),
        (nvml.EventData, pynvml.c_nvmlEventData_t),
    ],
)
def test_a_structure_has_the_same_members_at_the_same_places(
    ours: type[ctypes.Structure], theirs: type[ctypes.Structure]
) -> None:
    assert ctypes.sizeof(ours) == ctypes.sizeof(theirs)
    places = [(getattr(ours, f[0]).offset, getattr(ours, f[0]).size) for f in ours._fields_]
    assert places == [(getattr(theirs, f[0]).offset, getattr(theirs, f[0]).size) for f in theirs._fields_]


@pytest.mark.parametrize(
    ("packed", "theirs"),
    [(asking.Processes.ONE, pynvml.c_nvmlProcessInfo_t), (asking.Fields.ONE, pynvml.c_nvmlFieldValue_t)],
)
def test_what_is_unpacked_at_once_has_the_same_places(packed: struct.Struct, theirs: type[ctypes.Structure]) -> None:
    assert packed.size == ctypes.sizeof(theirs)
    numbers = range(1, len(theirs._fields_) + 1)
    filled = theirs.from_buffer_copy(packed.pack(*numbers))
    found = [getattr(filled, field[0]) for field in theirs._fields_]
    assert [getattr(value, "ullVal", value) for value in found] == list(numbers)


def test_a_field_value_is_read_by_its_type() -> None:
    members = {
        pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
        pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
    }
    raw = bytes(range(250, 242, -1))
    theirs = pynvml.c_nvmlValue_t.from_buffer_copy(raw)
    for kind, member in members.items():
        assert struct.unpack_from(asking.Fields.TYPES[kind], raw) == (getattr(theirs, member),)


def test_memory_is_asked_for_with_its_version() -> None:
    assert nvml.memory2().version == pynvml.nvmlMemory_v2


def test_every_error_that_is_told_apart_has_its_number() -> None:
    ours = {name: getattr(nvml, name) for name in vars(nvml) if hasattr(pynvml, f"NVML_ERROR_{name}")}
    assert ours == {name: getattr(pynvml, f"NVML_ERROR_{name}") for name in ours}
    assert {"GPU_IS_LOST", "DRIVER_NOT_LOADED", "LIBRARY_NOT_FOUND", "TIMEOUT", "NO_DATA"} <= ours.keys()


def test_throttle_reasons_are_the_documented_bits_under_their_names() -> None:
    def bit(name: str) -> int:
        return int(getattr(pynvml, "nvmlClocksEventReason" + "".join(word.title() for word in name.split("_"))))

    assert {name: bit(name) for name in questions.THROTTLE_BITS} == questions.THROTTLE_BITS


def test_fields_have_their_documented_numbers() -> None:
    documented = {
        "sw_power_cap": pynvml.NVML_FI_DEV_PERF_POLICY_POWER,
        "thermal": pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL,
        "sync_boost": pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST,
        "board_limit": pynvml.NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT,
        "reliability": pynvml.NVML_FI_DEV_PERF_POLICY_RELIABILITY,
    }
    assert documented == questions.THROTTLE_FIELDS
    assert max(questions.FIELDS) < 251, "from there on, drivers differ in what a number means"
    assert {*questions.FIELDS} - {*documented.values()} == {
        pynvml.NVML_FI_DEV_MEMORY_TEMP,
        pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
        pynvml.NVML_FI_DEV_POWER_AVERAGE,
        pynvml.NVML_FI_DEV_POWER_CURRENT_LIMIT,
    }
    assert pynvml.nvmlEventTypeXidCriticalError == events.XID_CRITICAL_ERROR
