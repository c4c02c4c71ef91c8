"""What every sensor shares: being timed and watched, and turning values into metric families.

A sensor is two functions: one reads and returns a frozen ``Reading``, the other turns that into families. What is
not there (no GPU in this machine) is an empty reading; what could not be read is a fault, and a fault shows in
``trainwarden_collector_success`` while the sensor's other series go on.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from trainwarden import names, series
from trainwarden.deadline import OverdueError
from trainwarden.errors import RunFolderError, TrainwardenError
from trainwarden.names import Family
from trainwarden.series import Samples, Series

log = logging.getLogger(__name__)


class Reading(Struct, frozen=True, kw_only=True):
    """What a sensor found."""

    faults: tuple[str, ...] = ()
    """What it should have found and could not, a sentence each."""
    timeouts: int = 0
    """How many parts of it did not answer in time."""


class Card(Struct, frozen=True):
    """A GPU of this machine, as the other sensors know it."""

    index: int
    """As the driver counts."""
    model: str
    """Its name; empty where the driver never told it."""


R = TypeVar("R", bound=Reading)
R_co = TypeVar("R_co", bound=Reading, covariant=True)


class Begun(Protocol[R_co]):
    """A reading that was begun, beside others or for others."""

    @property
    def took(self) -> float:
        """Seconds from its beginning to its end, or to now."""

    def settle(self, seconds: float) -> None:
        """Wait for it so long at most, whether it answers or not."""

    def result(self) -> R_co:
        """Wait for it; whoever asks again gets the same. Raises what the reading raises."""


class Watch:
    """Times one sensor's readings, catches what goes wrong with them, and logs it when that changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.success = False
        self.duration = 0.0
        """Seconds that the last reading took."""
        self.last_success: float | None = None
        self.timeouts = 0
        """Parts of readings, or whole ones, that did not come back in time."""
        self.faults: tuple[str, ...] = ()
        """What the last reading should have found and could not, a sentence each."""
        self._joined: Reading | None = None

    def read(self, read: Callable[[], R], now: float) -> R | None:
        """Take a reading; None where it failed as a whole. Never raises: one sensor must not silence the others."""
        started = time.perf_counter()
        reading = self._try(read, now)
        self.duration = time.perf_counter() - started
        return reading

    def join(self, begun: Begun[R], now: float) -> R | None:
        """The same for a reading that began earlier; the same one again is no new success, and took no time."""
        last = self._joined
        self._joined = reading = self._try(begun.result, now, last)
        if reading is None or reading is not last:
            self.duration = begun.took
        return reading

    def _try(self, read: Callable[[], R], now: float, last: Reading | None = None) -> R | None:
        try:
            reading = read()
        except Exception as error:
            self.timeouts += isinstance(error, OverdueError)
            self._judge((_sentence(error),), now, error)
            return None
        if reading is not last:
            self.timeouts += reading.timeouts
            self._judge(reading.faults, now)
        return reading

    def _judge(self, faults: tuple[str, ...], now: float, error: Exception | None = None) -> None:
        self.success = not faults
        if self.success:
            self.last_success = now
        if faults != self.faults:
            self._log(faults, error)
            self.faults = faults

    def _log(self, faults: tuple[str, ...], error: Exception | None) -> None:
        # A traceback only for what nobody foresaw: that is a fault of ours.
        unforeseen = None if isinstance(error, (TrainwardenError, OSError)) else error
        for fault in faults:
            log.warning("collector %s: %s", self.name, fault, exc_info=unforeseen)
        if not faults:
            log.info("collector %s: reads well again", self.name)


def _sentence(error: Exception) -> str:
    return str(error) or type(error).__name__


def faults_of(said: Mapping[str, object]) -> tuple[str, ...]:
    """A sentence for every run whose part of a round failed; ``RunFolderError`` names its file itself."""
    failed = ((run, answer) for run, answer in said.items() if isinstance(answer, Exception))
    return tuple(str(e) if isinstance(e, RunFolderError) else f"run {run}: {_sentence(e)}" for run, e in failed)


def timeouts_of(said: Mapping[str, object]) -> int:
    """How many parts of a round did not answer in time."""
    return sum(isinstance(answer, OverdueError) for answer in said.values())


def watch_families(watches: Sequence[Watch]) -> Iterator[Series]:
    """How the sensors themselves fared at the last reading."""
    yield from metric(names.COLLECTOR_SUCCESS, (((w.name,), w.success) for w in watches))
    yield from metric(names.COLLECTOR_DURATION, (((w.name,), w.duration) for w in watches))
    yield from metric(names.COLLECTOR_TIMEOUTS, (((w.name,), w.timeouts) for w in watches))
    yield from metric(names.COLLECTOR_LAST_SUCCESS, (((w.name,), w.last_success) for w in watches))


def metric(family: Family, samples: Samples) -> Iterator[Series]:
    """Yield the family, unless it has nothing to say."""
    found = series.build(family, samples)
    if found.samples:
        yield found
