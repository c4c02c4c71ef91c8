"""Reading with a deadline, for what may never answer: a hung GPU driver, a network folder whose server is gone."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Generic, TypeVar

from trainwarden.errors import TrainwardenError

T = TypeVar("T")


class OverdueError(TrainwardenError):
    """The reading has not come back in time."""


class Deadline(Generic[T]):
    """Runs a reading in a thread of its own, one at a time, and waits for it no longer than ``seconds``.

    A reading that hangs cannot be ended from outside. It is left alone, nothing else is asked meanwhile, and
    every further call says at once that it is overdue, until the reading comes back.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self._what = what
        self._seconds = seconds
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None
        self._started = 0.0

    def run(self, read: Callable[[], T]) -> T:
        """Take a reading, or join the one in flight. Raises ``OverdueError``, and what the reading raises."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = _start(read)
                self._started = time.monotonic()
            pending, started = self._pending, self._started
        elapsed = time.monotonic() - started
        try:
            return pending.result(max(0.0, self._seconds - elapsed))
        except FutureTimeoutError:
            raise OverdueError(f"{self._what} has not answered within {self._seconds:g} s; still waiting") from None


def _start(read: Callable[[], T]) -> "Future[T]":
    future: Future[T] = Future()
    # A daemon: the process can end though the reading never does.
    threading.Thread(target=_work, args=(future, read), daemon=True).start()
    return future


def _work(future: "Future[T]", read: Callable[[], T]) -> None:
    try:
        future.set_result(read())
    except BaseException as error:  # (whatever it was, the waiting side raises it)
        future.set_exception(error)
