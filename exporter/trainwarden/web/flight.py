"""Many scrapes at once cost one reading: who comes while one is in flight gets that one. Nothing is kept longer."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from trainwarden.deadline import OverdueError
from trainwarden.series import Series
from trainwarden.web.rendering import Rendered

PATIENCE = 10.0
"""Seconds to wait for another's reading where the client names no limit. Sensors have deadlines far below this."""


class SingleFlight:
    """Takes one reading at a time. A value in it is as old, at most, as the reading takes."""

    def __init__(self, read: Callable[[float | None], Iterable[Series]]) -> None:
        """``read`` is given the seconds that it may take; None: as many as it allows itself."""
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

    def last(self, seconds: float) -> Rendered | None:
        """The last reading, if it is no older than that. For judging the exporter, never to be served as new."""
        at, last = self._last or (-seconds, None)
        return last if time.monotonic() - at <= seconds else None

    def _fly(self, flight: "Future[Rendered]", seconds: float | None) -> None:
        found: Rendered | Exception
        try:
            found = Rendered(self._read(seconds))
        except Exception as error:
            found = error
        with self._lock:
            self._flight = None  # before anybody is told: who comes from now on gets a new reading
        if isinstance(found, Exception):
            flight.set_exception(found)
        else:
            self._last = time.monotonic(), found
            flight.set_result(found)
