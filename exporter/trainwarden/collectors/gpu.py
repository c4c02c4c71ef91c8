"""The GPUs, asked of NVIDIA's driver through NVML.

No driver is a clean empty reading; a driver that answers wrongly is a fault; a card that was there and is lost stays
visible as ``gpu_up 0``; and a field that this driver does not support stays absent.
"""

import contextlib
import ctypes
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml
from msgspec import Struct

from trainwarden import names
from trainwarden.collectors.base import Reading, metric
from trainwarden.errors import TrainwardenError
from trainwarden.names import Family
from trainwarden.series import Series

WSL_LIBRARY = Path("/usr/lib/wsl/lib/libnvidia-ml.so.1")
"""Where WSL2 puts the driver's library, which the dynamic linker does not always search (in a container, say)."""

RETRY_SECONDS = 60.0
"""How often a driver that is not there is looked for: its library may start a module loader each time."""

_NOT_THERE = (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED)
_UNSUPPORTED = (
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_NO_PERMISSION,
    pynvml.NVML_ERROR_NO_DATA,
)


class DriverError(TrainwardenError):
    """The driver is there and does not answer as it should."""


class Gpu(Struct, frozen=True, kw_only=True):
    """One card. None: this driver does not tell."""

    index: int
    uuid: str
    """Empty for a card that was lost before it was ever read."""
    up: bool
    name: str = ""
    utilization_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_used_bytes: int | None = None
    memory_free_bytes: int | None = None
    temperature_celsius: float | None = None
    power_watts: float | None = None
    processes: int | None = None


class GpusReading(Reading, frozen=True, kw_only=True):
    """Every card that the driver lists, and those that it no longer lists."""

    listed: int = 0
    driver_version: str = ""
    gpus: tuple[Gpu, ...] = ()


class Driver:
    """NVML, opened when it is there. Remembers the cards that it has seen. One reading at a time."""

    def __init__(self, fallback: Path = WSL_LIBRARY, retry_seconds: float = RETRY_SECONDS) -> None:
        self.known: dict[str, int] = {}
        """Index by UUID of every card that was ever up; replaced whole, so that other threads may look."""
        self._fallback = fallback
        self._retry_seconds = retry_seconds
        self._open = False
        self._try_again_at = 0.0

    def read(self) -> GpusReading:
        """Ask the driver for everything. Raises ``DriverError``; may never return where the driver hangs."""
        if not self._open and not self._begin():
            return GpusReading(gpus=tuple(self._gone(set())))
        try:
            return self._read()
        except pynvml.NVMLError as error:
            self._end()
            raise _driver_error(error) from error

    def _begin(self) -> bool:
        if time.monotonic() < self._try_again_at:
            return False
        try:
            _initialise(self._fallback)
        except pynvml.NVMLError as error:
            if error.value not in _NOT_THERE:
                raise _driver_error(error) from error
            self._try_again_at = time.monotonic() + self._retry_seconds
            return False
        self._open = True
        return True

    def _end(self) -> None:
        """Let go, so that the next reading opens the driver anew (a reloaded driver does not know old handles)."""
        self._open = False
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()

    def _read(self) -> GpusReading:
        listed = pynvml.nvmlDeviceGetCount()
        version = _ask(pynvml.nvmlSystemGetDriverVersion) or ""
        answers = {index: _try_gpu(index) for index in range(listed)}
        found = [answer for answer in answers.values() if isinstance(answer, Gpu)]
        failed = {index: answer for index, answer in answers.items() if not isinstance(answer, Gpu)}
        gone = self._gone({gpu.uuid for gpu in found})
        never_seen = failed.keys() - {gpu.index for gpu in gone}
        gone += [Gpu(index=index, uuid="", up=False) for index in sorted(never_seen)]
        self.known = {**self.known, **{gpu.uuid: gpu.index for gpu in found}}
        return GpusReading(listed=listed, driver_version=version, gpus=(*found, *gone), faults=tuple(_faults(failed)))

    def _gone(self, here: set[str]) -> list[Gpu]:
        return [Gpu(index=i, uuid=uuid, up=False) for uuid, i in self.known.items() if uuid not in here]


def _initialise(fallback: Path) -> None:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_LIBRARY_NOT_FOUND or not fallback.exists():
            raise
        # Once it is loaded from its path, pynvml's own look-up by name finds it.
        ctypes.CDLL(str(fallback))
        pynvml.nvmlInit()


def _driver_error(error: Exception) -> DriverError:
    said = str(error).rstrip(".")
    return DriverError(
        f"the NVIDIA driver does not answer: {said}; where nvidia-smi says the same, restart the machine"
        " (under WSL2: wsl --shutdown)"
    )


def _try_gpu(index: int) -> "Gpu | pynvml.NVMLError":
    try:
        return _read_gpu(index)
    except pynvml.NVMLError as error:
        return error


def _faults(failed: dict[int, Any]) -> Iterator[str]:
    """A lost card is a reading; any other answer is a fault."""
    for index, error in failed.items():
        if error.value != pynvml.NVML_ERROR_GPU_IS_LOST:
            yield f"GPU {index} does not answer: {error}; see what nvidia-smi says"


def _read_gpu(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    rates = _ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    memory = _memory(handle)
    milliwatts = _ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    processes = _ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle)
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        up=True,
        name=_ask(pynvml.nvmlDeviceGetName, handle) or "",
        utilization_ratio=None if rates is None else rates.gpu / 100,
        memory_total_bytes=getattr(memory, "total", None),
        memory_used_bytes=getattr(memory, "used", None),
        memory_free_bytes=getattr(memory, "free", None),
        # Newer bindings call this deprecated, but every driver has it, and its successor only new ones.
        temperature_celsius=_ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        power_watts=None if milliwatts is None else milliwatts / 1000,
        processes=None if processes is None else len(processes),
    )


def _memory(handle: Any) -> Any:
    """Memory as nvidia-smi prints it: what the driver reserves for itself is not "used", where it tells that."""
    modern = _ask(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2)
    return modern if modern is not None else _ask(pynvml.nvmlDeviceGetMemoryInfo, handle)


def _ask(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except pynvml.NVMLError as error:
        if error.value in _UNSUPPORTED:
            return None
        raise


_VALUES: tuple[tuple[Family, str], ...] = (
    (names.GPU_UP, "up"),
    (names.GPU_UTILIZATION, "utilization_ratio"),
    (names.GPU_MEMORY_TOTAL, "memory_total_bytes"),
    (names.GPU_MEMORY_USED, "memory_used_bytes"),
    (names.GPU_MEMORY_FREE, "memory_free_bytes"),
    (names.GPU_POWER, "power_watts"),
    (names.GPU_PROCESSES, "processes"),
)


def families(reading: GpusReading) -> Iterator[Series]:
    """Every family of a GPU; a lost card has only ``gpu_up``."""
    yield from metric(names.GPUS, [((), reading.listed)])
    told = [(gpu, (str(gpu.index), gpu.uuid)) for gpu in reading.gpus]
    version = reading.driver_version
    yield from metric(names.GPU_INFO, (((*labels, gpu.name, version, ""), 1) for gpu, labels in told if gpu.up))
    for family, field in _VALUES:
        yield from metric(family, ((labels, getattr(gpu, field)) for gpu, labels in told))
    yield from metric(names.GPU_TEMPERATURE, (((*labels, "gpu"), gpu.temperature_celsius) for gpu, labels in told))
