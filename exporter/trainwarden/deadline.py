"""Reading with a deadline, for what may never answer: a hung GPU driver, a network folder whose server is gone."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
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


K = TypeVar("K", bound=Hashable)


class Rounds(Generic[K, T]):
    """Reads many things one after the other in a worker thread, and goes on without the one that hangs.

    Most rounds cost one thread. A thing that has not answered ``each`` seconds after its turn began keeps that thread
    to itself; a new one reads the rest, as long as the round's ``whole`` seconds last. In later rounds it is passed
    over, and answers again once its call has come back.
    """

    def __init__(self, each: float, whole: float) -> None:
        self._each = each
        self._whole = whole
        self._stuck: dict[K, threading.Thread] = {}

    @property
    def stuck(self) -> frozenset[K]:
        """What hung when it was last its turn, and still does."""
        return frozenset(key for key, thread in self._stuck.items() if thread.is_alive())

    def read(self, readings: Mapping[K, Callable[[], T]]) -> dict[K, "T | Exception"]:
        """What each said, or raised; ``OverdueError`` for what hangs and for what the round had no time left for.

        One call at a time: whoever shares this sees to that.
        """
        until = time.monotonic() + self._whole
        self._stuck = {key: thread for key, thread in self._stuck.items() if thread.is_alive()}
        waiting = {key: read for key, read in readings.items() if key not in self._stuck}
        said: dict[K, T | Exception] = {}
        while waiting and time.monotonic() < until:
            turn = _Turn(waiting)
            hung = turn.wait(self._each, until)
            said |= turn.said
            if hung is None:
                break
            self._stuck[hung] = turn.thread
            waiting = {key: read for key, read in waiting.items() if key not in said and key != hung}
        overdue = OverdueError(f"has not answered within {self._each:g} s; still waiting")
        return {key: said.get(key, overdue) for key in readings}


class _Turn(Generic[K, T]):
    """One worker going through what waits, until it is through or told that nobody listens any more."""

    def __init__(self, waiting: Mapping[K, Callable[[], T]]) -> None:
        self._condition = threading.Condition()
        self._said: dict[K, T | Exception] = {}
        self._now: tuple[K, float] | None = None
        """What is being read, and since when."""
        self._over = False
        self.thread = threading.Thread(target=self._work, args=(dict(waiting),), daemon=True)
        self.thread.start()

    @property
    def said(self) -> "dict[K, T | Exception]":
        """A copy: a worker that was left may still add what nobody waits for."""
        with self._condition:
            return dict(self._said)

    def wait(self, each: float, until: float) -> K | None:
        """Wait for the end, or for the first that hangs, which is returned; the worker then stops behind it."""
        with self._condition:
            while self.thread.is_alive() and not self._over:
                key, since = self._now or (None, time.monotonic())
                left = min(since + each, until) - time.monotonic()
                if left <= 0:
                    self._over = True
                    return key
                self._condition.wait(left)
        return None

    def _work(self, waiting: dict[K, Callable[[], T]]) -> None:
        for key, read in waiting.items():
            with self._condition:
                if self._over:
                    return
                self._now = key, time.monotonic()
            said = _say(read)
            with self._condition:
                self._said[key] = said
        with self._condition:
            self._over = True
            self._condition.notify_all()


def _say(read: Callable[[], T]) -> "T | Exception":
    try:
        return read()
    except Exception as error:
        return error
