"""Reading with a deadline, for what may never answer: a hung GPU driver, a network folder whose server is gone."""

import math
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import partial
from typing import Generic, TypeVar

from trainwarden import workers
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
        self._pending: Asked[T] | None = None

    def run(self, read: Callable[[], T], seconds: float = math.inf) -> T:
        """Take a reading, or join the one in flight. Raises ``OverdueError``, and what the reading raises."""
        return self.begin(read, seconds).result()

    def begin(self, read: Callable[[], T], seconds: float = math.inf) -> "Asked[T]":
        """Begin a reading, or join the one in flight, to wait for it later; ``seconds`` can only tighten."""
        with self._lock:
            if self._pending is None or self._pending.is_back():
                self._pending = Asked(self._what, read)
            self._pending.seconds = min(self._seconds, seconds)
            return self._pending


class Asked(Generic[T]):
    """A reading in a thread of its own."""

    def __init__(self, what: str, read: Callable[[], T]) -> None:
        self.seconds = 0.0
        """How long it is waited for, counted from its beginning."""
        self._what = what
        self._future: Future[T] = Future()
        self._began = time.monotonic()
        self._ended: float | None = None
        workers.begin(lambda: self._work(read))

    def settle(self, seconds: float) -> None:
        """Wait for it so long at most, whether it answers or not."""
        wait([self._future], timeout=seconds)

    def is_back(self) -> bool:
        """Whether it has come to an end, well or not."""
        return self._future.done()

    @property
    def took(self) -> float:
        """Seconds from its beginning to its end, or to now."""
        return (self._ended or time.monotonic()) - self._began

    def result(self) -> T:
        """Wait for it. Raises ``OverdueError``, and what the reading raises."""
        try:
            return self._future.result(max(0.0, self._began + self.seconds - time.monotonic()))
        except FutureTimeoutError:
            sentence = f"{self._what} has not answered within {self.seconds:g} s; still waiting"
            raise OverdueError(sentence) from None

    def _work(self, read: Callable[[], T]) -> None:
        try:
            said = read()
        except BaseException as error:  # (whatever it was, the waiting side raises it)
            self._ended = time.monotonic()
            self._future.set_exception(error)
        else:
            self._ended = time.monotonic()
            self._future.set_result(said)


K = TypeVar("K", bound=Hashable)


class Rounds(Generic[K, T]):
    """Reads many things one after the other in a thread of its own, and goes on without those that hang.

    Most rounds cost one thread. When a thing has not answered ``each`` seconds after its turn began, something is amiss
    that others may share (a server, say): each of those left then gets a thread, so that those that answer do so in
    this very round, which ends after ``whole`` seconds. What hangs keeps its thread; in later rounds it is passed over,
    and answers again once its call has come back.
    """

    def __init__(self, each: float, whole: float) -> None:
        self._each = each
        self._whole = whole
        self._stuck: dict[K, _Turn[K, T]] = {}

    @property
    def stuck(self) -> frozenset[K]:
        """What hung when it was last its turn, and still does."""
        return frozenset(key for key, turn in self._stuck.items() if not turn.is_back)

    def read(self, readings: Mapping[K, Callable[[], T]], seconds: float = math.inf) -> dict[K, "T | Exception"]:
        """What each said, or raised; ``OverdueError`` for what hangs. ``seconds`` can only tighten the round.

        One round at a time: whoever shares this sees to that.
        """
        return self.begin(readings, seconds).result()

    def begin(self, readings: Mapping[K, Callable[[], T]], seconds: float = math.inf) -> "Round[K, T]":
        """Begin a round, to hear later what it said."""
        self._stuck = {key: turn for key, turn in self._stuck.items() if not turn.is_back}
        return Round(readings, self._stuck, self._each, min(self._whole, seconds))


class Round(Generic[K, T]):
    """One round, under way; ``stuck`` is told what hangs in it."""

    def __init__(
        self, readings: Mapping[K, Callable[[], T]], stuck: "dict[K, _Turn[K, T]]", each: float, whole: float
    ) -> None:
        self._readings = readings
        self._stuck = stuck
        self._each = each
        self._until = time.monotonic() + whole
        self._waiting = {key: read for key, read in readings.items() if key not in stuck}
        self._turns = [_Turn(self._waiting)] if self._waiting else []

    def settle(self, seconds: float) -> None:
        """Wait for it so long at most, whether it is through by then or not."""
        for turn in self._turns:
            turn.settle(seconds)

    @property
    def ended(self) -> float:
        """When the last of it came to an end, or now, on the monotonic clock."""
        return max((turn.ended or time.monotonic() for turn in self._turns), default=time.monotonic())

    def result(self) -> dict[K, "T | Exception"]:
        """Wait for it. Once."""
        said = self._listen(self._turns[0], self._each) if self._turns else {}
        left = [key for key in self._waiting if key not in said and key not in self._stuck]
        turns = {key: _Turn({key: self._waiting[key]}) for key in left}
        self._turns += turns.values()
        for turn in turns.values():
            said |= self._listen(turn, math.inf)
        overdue = OverdueError(f"has not answered within {self._each:g} s; still waiting")
        return {key: said.get(key, overdue) for key in self._readings}

    def _listen(self, turn: "_Turn[K, T]", each: float) -> dict[K, "T | Exception"]:
        hung = turn.wait(each, self._until)
        if hung is not None:
            self._stuck[hung] = turn
        return turn.said


class _Turn(Generic[K, T]):
    """One worker going through what waits, until it is through or told that nobody listens any more."""

    def __init__(self, waiting: Mapping[K, Callable[[], T]]) -> None:
        self._condition = threading.Condition()
        self._said: dict[K, T | Exception] = {}
        self._now: tuple[K, float] | None = None
        """What is being read, and since when."""
        self._over = False
        self.ended: float | None = None
        """When its thread came to an end of it, on the monotonic clock: of what hangs, only when that answers."""
        workers.begin(partial(self._work, dict(waiting)))

    @property
    def said(self) -> "dict[K, T | Exception]":
        """A copy: a worker that was left may still add what nobody waits for."""
        with self._condition:
            return dict(self._said)

    @property
    def is_back(self) -> bool:
        """Whether its thread has come to an end of it."""
        return self.ended is not None

    def settle(self, seconds: float) -> None:
        """Wait so long at most, and let it go on whatever happens."""
        with self._condition:
            self._condition.wait_for(lambda: self._over, seconds)

    def wait(self, each: float, until: float) -> K | None:
        """Wait for the end, or for the first that hangs, which is returned; the worker then stops behind it."""
        with self._condition:
            while not self._over:
                key, since = self._now or (None, time.monotonic())
                left = min(since + each, until) - time.monotonic()
                if left <= 0:
                    self._over = True
                    return key
                self._condition.wait(left)
        return None

    def _work(self, waiting: dict[K, Callable[[], T]]) -> None:
        try:
            self._read(waiting)
        finally:
            with self._condition:
                self._over, self.ended = True, time.monotonic()
                self._condition.notify_all()

    def _read(self, waiting: dict[K, Callable[[], T]]) -> None:
        for key, read in waiting.items():
            with self._condition:
                if self._over:
                    return
                self._now = key, time.monotonic()
            said = _say(read)
            with self._condition:
                self._said[key] = said


def _say(read: Callable[[], T]) -> "T | Exception":
    try:
        return read()
    except Exception as error:
        return error
