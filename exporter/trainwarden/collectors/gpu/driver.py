"""NVIDIA's driver: opened when it is there, and anew when it stopped answering."""

import time
from ctypes import byref, c_uint
from pathlib import Path

from trainwarden.collectors.gpu import nvml
from trainwarden.collectors.gpu.card import PCI_DEVICES, Card
from trainwarden.collectors.gpu.events import XidLog, XidWatch
from trainwarden.collectors.gpu.nvml import Nvml, NvmlError
from trainwarden.collectors.gpu.reading import Gpu
from trainwarden.errors import TrainwardenError

RETRY_SECONDS = 30.0
"""How often a driver that is not there is looked for: its library may start a module loader each time."""
LOOK_SECONDS = 60.0
"""How often an open driver is asked how many cards it lists."""


class DriverError(TrainwardenError):
    """The driver is there and does not answer as it should."""


class Session:
    """The driver, open, and the cards that it lists."""

    def __init__(self, library: Nvml, xids: XidLog, *, pcie: bool, pci_devices: Path) -> None:
        self.opened_at = time.monotonic()
        self.cards: list[Card] = []
        self.driver_version = ""
        self.look_at = 0.0
        """When to look again how many cards there are, on the monotonic clock."""
        self._nvml = library
        self._xids = XidWatch(library, xids)
        self._pcie = pcie
        self._pci_devices = pci_devices

    def look(self) -> None:
        """Ask how many cards there are, and of what driver. Raises ``NvmlError``; may never return."""
        listed = c_uint()
        self.driver_version = self._nvml.text("nvmlSystemGetDriverVersion")
        self._nvml.call("nvmlDeviceGetCount_v2", byref(listed))
        self.cards = [
            *self.cards[: listed.value],
            *(
                Card(self._nvml, index, self._xids, pcie=self._pcie, pci_devices=self._pci_devices)
                for index in range(len(self.cards), listed.value)
            ),
        ]
        self.look_at = time.monotonic() + LOOK_SECONDS

    @property
    def busy(self) -> bool:
        """Whether a call is under way, perhaps for ever."""
        return self._xids.busy or any(card.busy for card in self.cards)

    def stop(self) -> None:
        """Ask nothing more; what is under way goes on."""
        self._xids.stop()

    def close(self) -> None:
        """Let the library go. May never return, and must not be called while ``busy``."""
        self._nvml.find("nvmlShutdown")()


class Driver:
    """Opens a session and keeps it. One caller at a time, except for ``session`` and ``end``."""

    def __init__(
        self,
        *,
        pcie: bool = False,
        fallback: Path = nvml.WSL_LIBRARY,
        retry_seconds: float = RETRY_SECONDS,
        pci_devices: Path = PCI_DEVICES,
    ) -> None:
        self.session: Session | None = None
        self.xids = XidLog()
        self._pcie = pcie
        self._pci_devices = pci_devices
        self._fallback = fallback
        self._retry_seconds = retry_seconds
        self._try_again_at = 0.0
        self._ended: list[Session] = []
        """Not closed yet, for calls of theirs are under way."""

    @property
    def is_due(self) -> bool:
        """Whether there is something for ``prepare`` to do."""
        return time.monotonic() >= (self._try_again_at if self.session is None else self.session.look_at)

    def prepare(self) -> None:
        """Open the driver, or look again how many cards it lists. Leaves no session where no driver is there.

        Raises ``DriverError`` where one is and does not answer as it should; may never return.
        """
        try:
            if self.session is None:
                self.session = self._open()
            if self.session is not None:
                self.session.look()
        except NvmlError as error:
            self.end()
            raise driver_error(error) from error

    def end(self) -> None:
        """Let go, so that the next ``prepare`` opens the driver anew (a reloaded driver does not know old handles)."""
        if self.session is not None:
            self.session.stop()
            self._ended.append(self.session)
            self.session = None

    def _open(self) -> Session | None:
        self._close_ended()
        library = nvml.load(self._fallback)
        code = nvml.LIBRARY_NOT_FOUND if library is None else library.find("nvmlInit_v2")()
        if library is None or code == nvml.DRIVER_NOT_LOADED:
            self._try_again_at = time.monotonic() + self._retry_seconds
            return None
        library.check(code)
        return Session(library, self.xids, pcie=self._pcie, pci_devices=self._pci_devices)

    def _close_ended(self) -> None:
        """NVML counts its users and begins anew only without any; and to close it under a call that hangs, hangs."""
        for session in [session for session in self._ended if not session.busy]:
            session.close()
            self._ended.remove(session)


def driver_error(error: NvmlError) -> DriverError:
    """The sentence for an error of the driver as a whole. After an upgrade a process still holds the old library."""
    return DriverError(
        f"the NVIDIA driver does not answer: {error}; where nvidia-smi says the same, restart the machine"
        " (under WSL2: wsl --shutdown), else what says this"
    )


def card_error(index: int, error: NvmlError) -> DriverError:
    """The sentence for an error of one card."""
    return DriverError(f"GPU {index} does not answer: {error}; see what nvidia-smi says")


def read_unless_lost(card: Card) -> Gpu | None:
    """What the card says; None where it is lost. Raises ``DriverError`` for any other error; may never return."""
    try:
        return card.read()
    except NvmlError as error:
        if error.code == nvml.GPU_IS_LOST:
            return None
        raise card_error(card.index, error) from error
