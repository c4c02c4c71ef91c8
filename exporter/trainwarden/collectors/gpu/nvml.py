"""NVIDIA's management library, as far as this sensor calls it: every structure and number as ``nvml.h`` has it.

Called by ctypes and not through nvidia-ml-py, whose import keeps 5 MB for as long as the exporter lives (measured), a
sixth of all it may take.
"""

import contextlib
import ctypes
from collections.abc import Callable
from ctypes import c_char, c_uint, c_ulonglong, c_void_p
from pathlib import Path
from typing import Any

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

UNSUPPORTED = (NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND)


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
        if code not in UNSUPPORTED:
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
