"""NVIDIA's management library, as far as this sensor calls it: every structure and number as ``nvml.h`` has it.

Called by ctypes and not through nvidia-ml-py, whose import keeps 5 MB for as long as the exporter lives (measured), a
sixth of all it may take.
"""

import contextlib
import ctypes
import struct
from collections.abc import Callable, Iterator
from ctypes import byref, c_char, c_int, c_uint, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any, Generic, TypeVar

from trainwarden.errors import TrainwardenError

SONAME = "libnvidia-ml.so.1"
WSL_LIBRARY = Path("/usr/lib/wsl/lib") / SONAME
"""Where WSL2 puts the library, which the dynamic linker does not always search (in a container, say)."""

SUCCESS = 0
UNINITIALIZED = 1
INVALID_ARGUMENT = 2
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
INSUFFICIENT_SIZE = 7
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
NO_DATA = 21

_UNSUPPORTED = (NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND)


class NvmlError(TrainwardenError):
    """The driver answered a call with an error; ``code`` is NVML's own."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Nvml:
    """The library, loaded. A function that it lacks answers as NVML says it: ``FUNCTION_NOT_FOUND``."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self._library.nvmlErrorString.restype = ctypes.c_char_p

    def find(self, name: str) -> Callable[..., int]:
        """The function of that name, or one that answers that there is none."""
        found: Callable[..., int] = getattr(self._library, name, _not_found)
        return found

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function. Raises ``NvmlError``; may never return."""
        self.check(self.find(name)(*arguments))

    def supports(self, name: str, *arguments: Any) -> bool:
        """Call a function and say whether this driver supports it. Raises ``NvmlError`` for any other error."""
        code = self.find(name)(*arguments)
        if code not in _UNSUPPORTED:
            self.check(code)
        return code == SUCCESS

    def text(self, name: str, *arguments: Any) -> str:
        """What a function writes into the buffer that it gets last, with its size; empty where unsupported."""
        buffer = ctypes.create_string_buffer(96)  # the longest that NVML has
        self.supports(name, *arguments, buffer, c_uint(len(buffer)))
        return buffer.value.decode(errors="replace")

    def check(self, code: int) -> None:
        """Raise ``NvmlError`` unless the code says success."""
        if code != SUCCESS:
            raise NvmlError(code, self._library.nvmlErrorString(code).decode(errors="replace").rstrip("."))


def _not_found(*_: Any) -> int:
    return FUNCTION_NOT_FOUND


def load(fallback: Path = WSL_LIBRARY) -> Nvml | None:
    """The library where the linker finds it, else at ``fallback``; None where there is none."""
    for name in (SONAME, str(fallback)):
        with contextlib.suppress(OSError):
            return Nvml(ctypes.CDLL(name))
    return None


A = TypeVar("A")


class Question(Generic[A]):
    """A call that is asked at every scrape, prepared once: ``call(*arguments, &place)``, where ``place`` is filled in.

    Once the driver has said that it does not support it, it is not asked again.
    """

    def __init__(self, nvml: Nvml, name: str, *arguments: Any, place: A) -> None:
        self._nvml = nvml
        self._call: Callable[..., int] | None = nvml.find(name)
        self._place = place
        self._arguments = (*arguments, byref(place))  # type: ignore[arg-type]  # (a ctypes object, like every place)

    def ask(self) -> A | None:
        """The place, filled in; None where the driver does not tell. Raises ``NvmlError``; may never return."""
        if self._call is None:
            return None
        code = self._call(*self._arguments)
        if code == SUCCESS:
            return self._place
        if code in _UNSUPPORTED:
            self._call = None
        elif code != NO_DATA:
            self._nvml.check(code)
        return None


class Number:
    """A question whose answer is one whole number. Of several names, those after the first are older drivers'."""

    def __init__(self, nvml: Nvml, names: str | tuple[str, ...], *arguments: Any, kind: Any = c_uint) -> None:
        every = (names,) if isinstance(names, str) else names
        self._questions = [Question(nvml, name, *arguments, place=kind()) for name in every]

    def ask(self) -> int | None:
        """The number, as the driver has it; None where it does not tell. Raises ``NvmlError``; may never return."""
        for question in self._questions:
            told = question.ask()
            if told is not None:
                return int(told.value)
        return None


class Utilization(ctypes.Structure):
    """``nvmlUtilization_t``: percent."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class Memory(ctypes.Structure):
    """``nvmlMemory_t``: bytes. What the driver keeps for itself counts as used."""

    _fields_ = (("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong))


class Memory2(ctypes.Structure):
    """``nvmlMemory_v2_t``: bytes. What the driver keeps for itself stands apart, as nvidia-smi prints it."""

    _fields_ = (
        ("version", c_uint),
        ("total", c_ulonglong),
        ("reserved", c_ulonglong),
        ("free", c_ulonglong),
        ("used", c_ulonglong),
    )


def memory2() -> Memory2:
    """An empty one, marked with its version as NVML wants it."""
    return Memory2(version=ctypes.sizeof(Memory2) | 2 << 24)


class PciInfo(ctypes.Structure):
    """``nvmlPciInfo_t``."""

    _fields_ = (
        ("bus_id_legacy", c_char * 16),
        *((name, c_uint) for name in ("domain", "bus", "device", "device_id", "subsystem_id")),
        ("bus_id", c_char * 32),
    )


class EventData(ctypes.Structure):
    """``nvmlEventData_t``."""

    _fields_ = (
        ("device", c_void_p),
        ("type", c_ulonglong),
        ("data", c_ulonglong),
        ("gpu_instance", c_uint),
        ("compute_instance", c_uint),
    )


class Processes:
    """The compute processes of a card, pid and bytes (None: the driver does not tell, as under WSL2)."""

    _ONE = struct.Struct("I4xQII")  # nvmlProcessInfo_t: pid, bytes, GPU instance, compute instance
    _NOT_AVAILABLE = 2**64 - 1

    def __init__(self, nvml: Nvml, handle: c_void_p, room: int = 32) -> None:
        self._nvml = nvml
        self._handle = handle
        self._call: Callable[..., int] | None = nvml.find("nvmlDeviceGetComputeRunningProcesses_v3")
        self._buffer = ctypes.create_string_buffer(room * self._ONE.size)

    def ask(self) -> tuple[tuple[int, int | None], ...] | None:
        """Every process; None where the driver does not tell. Raises ``NvmlError``; may never return."""
        if self._call is None:
            return None
        count = c_uint(len(self._buffer) // self._ONE.size)
        code = self._call(self._handle, byref(count), self._buffer)
        if code == INSUFFICIENT_SIZE:
            self._buffer = ctypes.create_string_buffer(2 * count.value * self._ONE.size)
            return self.ask()
        if code in _UNSUPPORTED:
            self._call = None
            return None
        self._nvml.check(code)
        return tuple(self._unpack(count.value))

    def _unpack(self, count: int) -> Iterator[tuple[int, int | None]]:
        for pid, memory, _, _ in self._ONE.iter_unpack(memoryview(self._buffer)[: count * self._ONE.size]):
            yield pid, None if memory == self._NOT_AVAILABLE else memory


class Fields:
    """Many facts of a card in one call, by their number in ``nvml.h`` (NVML_FI_DEV_...)."""

    _ONE = struct.Struct("IIqqiiQ")  # nvmlFieldValue_t: number, scope, time, latency, type, answer, value
    _VALUE = 32
    """Where the value stands in one."""
    _TYPES = "dILQqiH"
    """How a value is packed, by its nvmlValueType_t."""

    def __init__(self, nvml: Nvml, handle: c_void_p, numbers: tuple[int, ...]) -> None:
        self._nvml = nvml
        self._handle = handle
        self._call = nvml.find("nvmlDeviceGetFieldValues")
        self._prepare(numbers)

    def _prepare(self, numbers: tuple[int, ...]) -> None:
        self._count = len(numbers)
        self._buffer = bytearray(b"".join(self._ONE.pack(number, 0, 0, 0, 0, NOT_SUPPORTED, 0) for number in numbers))
        self._place = (c_char * len(self._buffer)).from_buffer(self._buffer)

    def ask(self) -> dict[int, float]:
        """What is told, by number. Numbers that are not are not asked for again. Raises ``NvmlError``."""
        if not self._count:
            return {}
        code = self._call(self._handle, c_int(self._count), self._place)
        if code in _UNSUPPORTED:
            self._prepare(())
            return {}
        self._nvml.check(code)
        told: dict[int, float] = {}
        refused = set()
        for place, (number, _, _, _, kind, answer, _) in enumerate(self._ONE.iter_unpack(self._buffer)):
            if answer == SUCCESS:
                (told[number],) = struct.unpack_from(self._TYPES[kind], self._buffer, place * 40 + self._VALUE)
            elif answer in _UNSUPPORTED or answer == INVALID_ARGUMENT:  # (older drivers do not know newer numbers)
                refused.add(number)
        if refused:
            self._prepare(tuple(n for n, *_ in self._ONE.iter_unpack(bytes(self._buffer)) if n not in refused))
        return told
