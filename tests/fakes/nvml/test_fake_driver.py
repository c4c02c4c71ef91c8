"""The fake driver, as the real pynvml sees it: each mode and each fact of its script."""

from collections.abc import Iterator
from pathlib import Path

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
