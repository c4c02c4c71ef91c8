"""One card: what it is, remembered for a while, and what it measures, asked anew at every reading."""

import time
from ctypes import byref, c_uint, c_void_p
from pathlib import Path
from typing import NamedTuple

from trainwarden.collectors.gpu import mig
from trainwarden.collectors.gpu.events import XidWatch
from trainwarden.collectors.gpu.nvml import INVALID_ARGUMENT, NOT_FOUND, Nvml, NvmlError, PciInfo
from trainwarden.collectors.gpu.questions import Questions
from trainwarden.collectors.gpu.reading import Gpu

REMEMBER_SECONDS = 60.0
"""How long it is remembered what a card is, what it does not support, and how it is divided into MIG devices."""
PCI_DEVICES = Path("/sys/bus/pci/devices")

_STALE = (INVALID_ARGUMENT, NOT_FOUND)
"""What the driver says to a handle that means nothing any more: a MIG device that was taken away, say."""


class Known(NamedTuple):
    """What is remembered of a card."""

    uuid: str
    name: str
    pci_bus_id: str
    questions: Questions
    migs: tuple[mig.MigDevice, ...]
    runtime_status: Path | None
    """The kernel's word on whether the card sleeps; None where it never does."""
    until: float
    """When to look anew, on the monotonic clock."""


class Card:
    """The card of one index. One reading at a time."""

    def __init__(
        self, nvml: Nvml, index: int, xids: XidWatch, *, pcie: bool = False, pci_devices: Path = PCI_DEVICES
    ) -> None:
        self.index = index
        self.busy = False
        """Whether a call about it is under way, perhaps for ever."""
        self._nvml = nvml
        self._xids = xids
        self._pcie = pcie
        self._pci_devices = pci_devices
        self._known: Known | None = None

    def read(self) -> Gpu:
        """Ask for everything. Raises ``NvmlError``; may never return."""
        self.busy = True
        try:
            return self._read_known()
        except NvmlError:
            self._known = None  # perhaps another card is there by now
            raise
        finally:
            self.busy = False

    def _read_known(self) -> Gpu:
        known = self._known
        if known is not None and (time.monotonic() < known.until or _asleep(known.runtime_status)):
            try:
                return self._read(known)
            except NvmlError as error:
                if error.code not in _STALE:
                    raise
        self._known = self._introduce()
        return self._read(self._known)

    def _read(self, known: Known) -> Gpu:
        awake = not _asleep(known.runtime_status)
        return Gpu(
            index=self.index,
            uuid=known.uuid,
            name=known.name,
            pci_bus_id=known.pci_bus_id,
            up=True,
            migs=tuple(device.read() for device in known.migs) if awake else (),
            **(known.questions.ask() if awake else {}),
        )

    def _introduce(self) -> Known:
        handle = c_void_p()
        self._nvml.call("nvmlDeviceGetHandleByIndex_v2", c_uint(self.index), byref(handle))
        uuid = self._nvml.text("nvmlDeviceGetUUID", handle)
        self._xids.register(handle, self.index, uuid)
        pci = PciInfo()
        self._nvml.supports("nvmlDeviceGetPciInfo_v3", handle, byref(pci))
        pci_bus_id = pci.bus_id.decode(errors="replace")
        return Known(
            uuid=uuid,
            name=self._nvml.text("nvmlDeviceGetName", handle),
            pci_bus_id=pci_bus_id,
            questions=Questions(self._nvml, handle, pcie=self._pcie),
            migs=mig.devices(self._nvml, handle),
            runtime_status=_runtime_status(self._pci_devices, pci_bus_id),
            # Each card at another moment, so that no reading pays for all of them.
            until=time.monotonic() + REMEMBER_SECONDS + self.index,
        )


def _runtime_status(pci_devices: Path, bus_id: str) -> Path | None:
    """The file that says whether the card sleeps; None where the kernel never lets it."""
    power = pci_devices / bus_id[-12:].lower() / "power"  # the kernel writes four digits of the domain, NVML eight
    try:
        return power / "runtime_status" if (power / "control").read_text() == "auto\n" else None
    except OSError:
        return None


def _asleep(runtime_status: Path | None) -> bool:
    """Whether asking the card would wake it."""
    try:
        return runtime_status is not None and runtime_status.read_text() == "suspended\n"
    except OSError:
        return False
