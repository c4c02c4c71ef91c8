"""The ways in which one card is asked at every reading: prepared once, and no more where the driver cannot answer."""

import ctypes
import struct
from collections.abc import Callable, Iterator
from ctypes import byref, c_char, c_int, c_uint, c_void_p
from typing import Any, Generic, TypeVar

from trainwarden.collectors.gpu.nvml import (
    INSUFFICIENT_SIZE,
    INVALID_ARGUMENT,
    NO_DATA,
    NOT_SUPPORTED,
    SUCCESS,
    UNSUPPORTED,
    Nvml,
)

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
        if code in UNSUPPORTED:
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


class Processes:
    """The compute processes of a card, pid and bytes (None: the driver does not tell, as under WSL2)."""

    ONE = struct.Struct("I4xQII")  # nvmlProcessInfo_t: pid, bytes, GPU instance, compute instance
    _NOT_AVAILABLE = 2**64 - 1

    def __init__(self, nvml: Nvml, handle: c_void_p, room: int = 32) -> None:
        self._nvml = nvml
        self._handle = handle
        self._call: Callable[..., int] | None = nvml.find("nvmlDeviceGetComputeRunningProcesses_v3")
        self._buffer = ctypes.create_string_buffer(room * self.ONE.size)

    def ask(self) -> tuple[tuple[int, int | None], ...] | None:
        """Every process; None where the driver does not tell. Raises ``NvmlError``; may never return."""
        if self._call is None:
            return None
        count = c_uint(len(self._buffer) // self.ONE.size)
        code = self._call(self._handle, byref(count), self._buffer)
        if code == INSUFFICIENT_SIZE:
            self._buffer = ctypes.create_string_buffer(2 * count.value * self.ONE.size)
            return self.ask()
        if code in UNSUPPORTED:
            self._call = None
            return None
        self._nvml.check(code)
        return tuple(self._unpack(count.value))

    def _unpack(self, count: int) -> Iterator[tuple[int, int | None]]:
        for pid, memory, _, _ in self.ONE.iter_unpack(memoryview(self._buffer)[: count * self.ONE.size]):
            yield pid, None if memory == self._NOT_AVAILABLE else memory


class Fields:
    """Many facts of a card in one call, by their number in ``nvml.h`` (NVML_FI_DEV_...)."""

    ONE = struct.Struct("IIqqiiQ")  # nvmlFieldValue_t: number, scope, time, latency, type, answer, value
    _VALUE = 32
    """Where the value stands in one."""
    TYPES = "dILQqiH"
    """How a value is packed, by its nvmlValueType_t."""

    def __init__(self, nvml: Nvml, handle: c_void_p, numbers: tuple[int, ...]) -> None:
        self._nvml = nvml
        self._handle = handle
        self._call = nvml.find("nvmlDeviceGetFieldValues")
        self._prepare(numbers)

    def _prepare(self, numbers: tuple[int, ...]) -> None:
        self._count = len(numbers)
        self._buffer = bytearray(b"".join(self.ONE.pack(number, 0, 0, 0, 0, NOT_SUPPORTED, 0) for number in numbers))
        self._place = (c_char * len(self._buffer)).from_buffer(self._buffer)

    def ask(self) -> dict[int, float]:
        """What is told, by number. Numbers that are not are not asked for again. Raises ``NvmlError``."""
        if not self._count:
            return {}
        code = self._call(self._handle, c_int(self._count), self._place)
        if code in UNSUPPORTED:
            self._prepare(())
            return {}
        self._nvml.check(code)
        told: dict[int, float] = {}
        refused = set()
        for place, (number, _, _, _, kind, answer, _) in enumerate(self.ONE.iter_unpack(self._buffer)):
            if answer == SUCCESS and 0 <= kind < len(self.TYPES):
                where = place * self.ONE.size + self._VALUE
                (told[number],) = struct.unpack_from(self.TYPES[kind], self._buffer, where)
            elif answer in (*UNSUPPORTED, INVALID_ARGUMENT, SUCCESS):
                refused.add(number)  # older drivers do not know newer numbers; newer ones may have types of their own
        if refused:
            self._prepare(tuple(n for n, *_ in self.ONE.iter_unpack(bytes(self._buffer)) if n not in refused))
        return told
