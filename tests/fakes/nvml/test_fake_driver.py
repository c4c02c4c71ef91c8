"""The fake driver, as the real pynvml sees it: each mode and each fact of its script."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import Console
from tests.support.nvml import GIB, FakeDriver, build_library, uuid_of


@pytest.fixture
def console(nvml: FakeDriver) -> Iterator[Console]:
    console = Console("from pynvml import *", nvml.environment())
    yield console
    console.close()


@pytest.fixture
def opened(console: Console) -> Console:
    console.ask("nvmlInit()")
    return console


GPU = "nvmlDeviceGetHandleByIndex(0)"


def test_every_fact_of_the_script_reaches_pynvml(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(gpu=0, utilization=42, memory_used=GIB, memory_total=4 * GIB, temperature=61, power=123_456)
    assert opened.ask(f"nvmlDeviceGetUtilizationRates({GPU}).gpu") == 42
    memory = f"(lambda m: [m.total, m.used, m.free])(nvmlDeviceGetMemoryInfo({GPU}))"
    assert opened.ask(memory) == [4 * GIB, GIB, 3 * GIB]
    assert opened.ask(f"nvmlDeviceGetTemperature({GPU}, NVML_TEMPERATURE_GPU)") == 61
    assert opened.ask(f"nvmlDeviceGetTemperatureV({GPU}, NVML_TEMPERATURE_GPU)") == 61
    assert opened.ask(f"nvmlDeviceGetPowerUsage({GPU})") == 123_456
    assert opened.ask(f"nvmlDeviceGetName({GPU})") == "NVIDIA GeForce RTX 4080"
    assert opened.ask(f"nvmlDeviceGetUUID({GPU})") == uuid_of(0)
    assert opened.ask("nvmlSystemGetDriverVersion()") == "550.54.15"


@pytest.mark.parametrize(
    ("facts", "call", "said"),
    [
        ({"pci": "00000000:0A:00.0"}, "nvmlDeviceGetPciInfo({}).busId", "00000000:0A:00.0"),
        ({"power_limit": 320_000}, "nvmlDeviceGetEnforcedPowerLimit({})", 320_000),
        ({"power_limit": 320_000}, "nvmlDeviceGetPowerManagementLimit({})", 320_000),
        ({"energy": 2**40}, "nvmlDeviceGetTotalEnergyConsumption({})", 2**40),
        ({"clock_sm": 2505}, "nvmlDeviceGetClockInfo({}, NVML_CLOCK_SM)", 2505),
        ({"clock_memory": 11_201}, "nvmlDeviceGetClockInfo({}, NVML_CLOCK_MEM)", 11_201),
        ({"performance_state": 8}, "nvmlDeviceGetPerformanceState({})", 8),
        ({"throttle": 0x44}, "nvmlDeviceGetCurrentClocksEventReasons({})", 0x44),
        ({"throttle": 0x44}, "nvmlDeviceGetCurrentClocksThrottleReasons({})", 0x44),
        ({"throttle_supported": 0x1FF}, "nvmlDeviceGetSupportedClocksEventReasons({})", 0x1FF),
        ({"fan": 30}, "nvmlDeviceGetFanSpeed({})", 30),
        ({"pcie_transmit": 5}, "nvmlDeviceGetPcieThroughput({}, NVML_PCIE_UTIL_TX_BYTES)", 5),
        ({"pcie_receive": 3}, "nvmlDeviceGetPcieThroughput({}, NVML_PCIE_UTIL_RX_BYTES)", 3),
        ({"encoder": 12}, "nvmlDeviceGetEncoderUtilization({})[0]", 12),
        ({"decoder": 13}, "nvmlDeviceGetDecoderUtilization({})[0]", 13),
        ({"memory_utilization": 51}, "nvmlDeviceGetUtilizationRates({}).memory", 51),
        ({"fields": {82: 71}}, "nvmlDeviceGetFieldValues({}, [82])[0].value.uiVal", 71),
        ({"fields": {83: 2**40}}, "nvmlDeviceGetFieldValues({}, [83])[0].value.ullVal", 2**40),
        ({"fields": {}}, "nvmlDeviceGetFieldValues({}, [83])[0].nvmlReturn", 3),
    ],
)
def test_a_fact_answers_its_call(
    nvml: FakeDriver, opened: Console, facts: dict[str, Any], call: str, said: object
) -> None:
    nvml.set(gpu=0, **facts)
    assert opened.ask(call.format(GPU)) == said


def test_a_narrow_field_value_has_rubbish_above_it_as_a_union_may(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(gpu=0, fields={82: 71})
    assert opened.ask(f"nvmlDeviceGetFieldValues({GPU}, [82])[0].value.ullVal") != 71


def test_a_divided_card_lists_its_mig_devices(nvml: FakeDriver, opened: Console) -> None:
    assert opened.ask(f"nvmlDeviceGetMaxMigDeviceCount({GPU})") == 0
    nvml.set(gpu=0, migs=[("MIG-a", "1g.10gb", GIB, 10 * GIB)])
    assert opened.ask(f"nvmlDeviceGetMigMode({GPU})") == [1, 1]
    device = f"nvmlDeviceGetMigDeviceHandleByIndex({GPU}, 0)"
    assert opened.ask(f"nvmlDeviceGetUUID({device})") == "MIG-a"
    assert opened.ask(f"nvmlDeviceGetName({device})") == "NVIDIA GeForce RTX 4080 MIG 1g.10gb"
    assert opened.ask(f"nvmlDeviceGetMemoryInfo({device}).used") == GIB
    with pytest.raises(RuntimeError, match="Not Found"):
        opened.ask(f"nvmlDeviceGetMigDeviceHandleByIndex({GPU}, 1)")


WATCH = """
from pynvml import *
nvmlInit()
def watch():
    global events
    events = nvmlEventSetCreate()
    nvmlDeviceRegisterEvents(nvmlDeviceGetHandleByIndex(0), nvmlEventTypeXidCriticalError, events)
def wait(milliseconds):
    return nvmlEventSetWait_v2(events, milliseconds).eventData
"""


def test_an_xid_reaches_whoever_waits_and_no_former_one(nvml: FakeDriver) -> None:
    nvml.resize(2)
    nvml.xid(0, 13)
    console = Console(WATCH, nvml.environment())
    try:
        console.ask("watch()")
        with pytest.raises(RuntimeError, match="Timeout"):
            console.ask("wait(150)")
        console.begin("wait(10_000)")
        nvml.xid(1, 31)  # of a card that nobody watches
        nvml.xid(0, 79)
        assert console.answer(5) == (79,)
    finally:
        console.close()


def test_what_a_driver_lacks_is_not_found(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(lacks=["nvmlDeviceGetPowerUsage", "nvmlDeviceGetFanSpeed"])
    for call in ("PowerUsage", "FanSpeed"):
        with pytest.raises(RuntimeError, match="Function Not Found"):
            opened.ask(f"nvmlDeviceGet{call}({GPU})")
    assert opened.ask(f"nvmlDeviceGetPerformanceState({GPU})") == 2


def test_a_short_delay_is_spent_exactly_and_not_rounded_up_by_the_kernel(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(delay_us=20)
    opened.ask("globals().update(card=nvmlDeviceGetHandleByIndex(0), clock=__import__('time').perf_counter)")
    timed = "(lambda began: [nvmlDeviceGetPowerUsage(card), clock() - began])(clock())[1]"
    fastest = min(opened.ask(f"min({timed} for _ in range(50))") for _ in range(3))
    assert 20e-6 <= fastest < 50e-6


def test_memory_that_the_driver_reserves_is_used_only_for_the_older_call(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(gpu=0, memory_used=2 * GIB, memory_reserved=GIB, memory_total=8 * GIB)
    parts = "(lambda m: [m.used, m.free])(nvmlDeviceGetMemoryInfo(%s))"
    assert opened.ask(parts % GPU) == [3 * GIB, 5 * GIB]
    assert opened.ask(parts % f"{GPU}, nvmlMemory_v2") == [2 * GIB, 5 * GIB]


def test_processes_are_listed_with_their_memory_or_without(nvml: FakeDriver, opened: Console) -> None:
    listing = f"[[p.pid, p.usedGpuMemory] for p in nvmlDeviceGetComputeRunningProcesses({GPU})]"
    assert opened.ask(listing) == []
    nvml.set(gpu=0, processes=[(10, GIB), (11, None)])
    assert opened.ask(listing) == [[10, GIB], [11, None]]


def test_a_fact_that_the_script_does_not_give_is_not_supported(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(gpu=0, power=None, processes=None, memory_used=None)
    for call in ("PowerUsage", "ComputeRunningProcesses", "MemoryInfo"):
        with pytest.raises(RuntimeError, match="Not Supported"):
            opened.ask(f"nvmlDeviceGet{call}({GPU})")


def test_cards_come_and_go_while_the_process_runs(nvml: FakeDriver, opened: Console) -> None:
    nvml.resize(3)
    assert opened.ask("nvmlDeviceGetCount()") == 3
    assert opened.ask("nvmlDeviceGetUUID(nvmlDeviceGetHandleByIndex(2))") == uuid_of(2)
    nvml.resize(1)
    with pytest.raises(RuntimeError, match="Invalid Argument"):
        opened.ask("nvmlDeviceGetHandleByIndex(2)")


@pytest.mark.parametrize(
    ("mode", "error"), [("lost", "GpuIsLost"), ("unknown", "Unknown"), ("blocked", "OperatingSystem")]
)
def test_one_gpu_in_an_error_mode_leaves_the_other_alone(
    nvml: FakeDriver, opened: Console, mode: str, error: str
) -> None:
    nvml.resize(2)
    nvml.set(gpu=0, mode=mode)
    with pytest.raises(RuntimeError, match=error):
        opened.ask(GPU)
    assert opened.ask("nvmlDeviceGetUtilizationRates(nvmlDeviceGetHandleByIndex(1)).gpu") == 99


def test_a_call_hangs_until_the_script_changes(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(gpu=0, mode="hang")
    opened.begin(f"nvmlDeviceGetUtilizationRates({GPU}).gpu")
    assert opened.answer(0.3) is None
    nvml.set(gpu=0, mode="ok", utilization=7)
    assert opened.answer(10) == (7,)


def test_a_call_that_hangs_ends_when_the_script_goes_away(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(mode="hang")
    opened.begin("nvmlDeviceGetCount()")
    assert opened.answer(0.3) is None
    nvml.close()
    with pytest.raises(RuntimeError, match="Driver Not Loaded"):
        opened.answer(10)


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [("not_loaded", "Driver Not Loaded"), ("unknown", "Unknown Error"), ("blocked", "OperatingSystem")],
)
def test_the_driver_does_not_open(nvml: FakeDriver, console: Console, mode: str, sentence: str) -> None:
    nvml.set(mode=mode)
    with pytest.raises(RuntimeError, match=sentence):
        console.ask("nvmlInit()")
    nvml.set(mode="ok")
    console.ask("nvmlInit()")


def test_nothing_answers_before_the_driver_is_opened(console: Console) -> None:
    console.ask("nvmlInit() or nvmlShutdown()")
    with pytest.raises(RuntimeError, match="Uninitialized"):
        console.ask("nvmlDeviceGetCount()")


def test_each_call_takes_as_long_as_it_is_told(nvml: FakeDriver, opened: Console) -> None:
    nvml.set(delay_us=50_000)
    timed = "(lambda t: [nvmlDeviceGetCount(), __import__('time').monotonic() - t])(__import__('time').monotonic())"
    assert opened.ask(timed)[1] >= 0.05


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_a_compiler_there_is_one_sentence_and_under_ci_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"needs a C compiler: install one \(apt install gcc\)"):
        build_library(tmp_path)
