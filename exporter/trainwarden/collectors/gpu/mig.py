"""MIG devices: the shares that a card is divided into, where it can be and is."""

from ctypes import byref, c_uint, c_void_p

from trainwarden.collectors.gpu.asking import Question
from trainwarden.collectors.gpu.nvml import INVALID_ARGUMENT, NOT_FOUND, Memory, Nvml, NvmlError
from trainwarden.collectors.gpu.reading import Mig


class MigDevice:
    """One share of a card. Its memory is asked for at every reading."""

    def __init__(self, nvml: Nvml, handle: c_void_p) -> None:
        self._uuid = nvml.text("nvmlDeviceGetUUID", handle)
        # "NVIDIA H100 80GB HBM3 MIG 1g.10gb"; older drivers say the card's name alone.
        _, _, self._profile = nvml.text("nvmlDeviceGetName", handle).partition(" MIG ")
        self._memory = Question(nvml, "nvmlDeviceGetMemoryInfo", handle, place=Memory())

    def read(self) -> Mig:
        """Its memory now. Raises ``NvmlError``; may never return."""
        memory = self._memory.ask()
        return Mig(
            uuid=self._uuid,
            profile=self._profile,
            memory_total_bytes=None if memory is None else memory.total,
            memory_used_bytes=None if memory is None else memory.used,
        )


def devices(nvml: Nvml, card: c_void_p) -> tuple[MigDevice, ...]:
    """Every MIG device of a card; none where it cannot be divided or is not. Raises ``NvmlError``."""
    current, pending, most = c_uint(), c_uint(), c_uint()
    if not nvml.supports("nvmlDeviceGetMigMode", card, byref(current), byref(pending)) or not current.value:
        return ()
    nvml.call("nvmlDeviceGetMaxMigDeviceCount", card, byref(most))
    handles = (_handle(nvml, card, index) for index in range(most.value))
    return tuple(MigDevice(nvml, handle) for handle in handles if handle is not None)


def _handle(nvml: Nvml, card: c_void_p, index: int) -> c_void_p | None:
    handle = c_void_p()
    try:
        nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", card, c_uint(index), byref(handle))
    except NvmlError as error:
        if error.code in (NOT_FOUND, INVALID_ARGUMENT):  # a place that is not taken
            return None
        raise
    return handle
