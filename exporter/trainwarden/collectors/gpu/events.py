"""XID errors, as the driver reports them: waited for in a thread of its own, which never holds the readings up."""

import threading
import time
from collections.abc import Callable
from ctypes import byref, c_uint, c_ulonglong, c_void_p

from trainwarden.collectors.gpu.nvml import SUCCESS, TIMEOUT, EventData, Nvml
from trainwarden.collectors.gpu.reading import Xid

XID_CRITICAL_ERROR = 8
"""nvmlEventTypeXidCriticalError."""
WAIT_SECONDS = 1.0
"""How long one wait for an event lasts: so late does the thread hear that it is to end."""


class XidLog:
    """What was reported since the exporter began; outlives a driver that is loaded anew."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._xids: dict[tuple[int, str, int], Xid] = {}

    def add(self, index: int, uuid: str, number: int) -> None:
        """One more of that number, now."""
        key = index, uuid, number
        with self._lock:
            count = self._xids[key].count if key in self._xids else 0
            self._xids[key] = Xid(index=index, uuid=uuid, number=number, count=count + 1, last_at=self._clock())

    def all(self) -> tuple[Xid, ...]:
        """Each card's and number's count and last time."""
        with self._lock:
            return tuple(self._xids.values())


class XidWatch:
    """Waits for the events of one opened driver.

    A driver that has none (under WSL2, say) costs no thread, and is no reason not to read the cards.
    """

    def __init__(self, nvml: Nvml, log: XidLog) -> None:
        self._nvml = nvml
        self._log = log
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._cards: dict[int | None, tuple[int, str]] = {}
        """Index and UUID by handle."""
        self._set = c_void_p()
        self._there = nvml.find("nvmlEventSetCreate")(byref(self._set)) == SUCCESS

    @property
    def busy(self) -> bool:
        """Whether a call is under way, perhaps for ever."""
        return self._thread is not None and self._thread.is_alive()

    def register(self, handle: c_void_p, index: int, uuid: str) -> None:
        """Have this card's errors reported too, where the driver can. May never return."""
        if not self._there or handle.value in self._cards:
            return
        register = self._nvml.find("nvmlDeviceRegisterEvents")
        if register(handle, c_ulonglong(XID_CRITICAL_ERROR), self._set) == SUCCESS:
            self._cards[handle.value] = index, uuid
            self._start()

    def stop(self) -> None:
        """Have the thread end with the wait that it is in. Does not wait for that."""
        self._stop.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        wait = self._nvml.find("nvmlEventSetWait_v2")
        data = EventData()
        while not self._stop.is_set():
            code = wait(self._set, byref(data), c_uint(int(WAIT_SECONDS * 1000)))
            if self._stop.is_set():
                break  # whoever watches now hears of it too
            if code == SUCCESS and data.device in self._cards:
                self._log.add(*self._cards[data.device], data.data)
            elif code not in (SUCCESS, TIMEOUT):
                self._stop.wait(WAIT_SECONDS)  # a card is lost, say; the others may still report
        self._nvml.find("nvmlEventSetFree")(self._set)
