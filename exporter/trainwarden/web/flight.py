"""Many scrapes at once cost one reading: who comes while one is in flight gets that one. Nothing is kept longer."""

import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Protocol

from trainwarden.deadline import OverdueError
from trainwarden.series import Series
from trainwarden.web.rendering import Rendered

PATIENCE = 10.0
"""Seconds to wait for another's reading where the client names no limit. Sensors have deadlines far below this."""


class Collect(Protocol):
    """Reads everything."""

    def __call__(self, seconds: float | None, /, *, anew: bool) -> Iterable[Series]:
        """Read it within so many seconds, None: within the sensors' own deadlines; ``anew``: even what is shared."""


class SingleFlight:
    """Takes one reading at a time, unless one is asked for that shares nothing with others."""

    def __init__(self, read: Collect) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._flight: Future[Rendered] | None = None
        self._last: tuple[float, Rendered] | None = None

    def take(self, seconds: float | None = None) -> Rendered:
        """A reading that ends after this call began. Raises what ``read`` raises, and ``OverdueError``."""
        with self._lock:
            joined = self._flight
            flight = self._flight = joined or Future()
        if joined is None:
            self._fly(flight, seconds)
        try:
            return flight.result(PATIENCE if seconds is None else seconds)
        except FutureTimeoutError:
            raise OverdueError("the reading that another scrape began has not come back in time") from None

    def take_anew(self, seconds: float | None = None) -> Rendered:
        """A reading that begins after this call did, and holds nothing that was read before. Raises what it raises."""
        found = Rendered(self._read(seconds, anew=True))
        self._last = time.monotonic(), found
        return found

    def last(self, seconds: float) -> Rendered | None:
        """The last reading, if it is no older than that. For judging the exporter, never to be served as new."""
        at, last = self._last or (-seconds, None)
        return last if time.monotonic() - at <= seconds else None

    def _fly(self, flight: "Future[Rendered]", seconds: float | None) -> None:
        found: Rendered | Exception
        try:
            found = Rendered(self._read(seconds, anew=False))
        except Exception as error:
            found = error
        with self._lock:
            self._flight = None  # before anybody is told: who comes from now on gets a new reading
        if isinstance(found, Exception):
            flight.set_exception(found)
        else:
            self._last = time.monotonic(), found
            flight.set_result(found)
