"""When the training printed what: told by the keeper, so that its supervisor may look a second later.

A pipe, of which the keeper holds both ends: what is told while no supervisor lives waits for the next one. When it is
full (some minutes of output that nobody reads), the keeper tells nothing, and is never blocked. Standard library only.
"""

import os
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

_ARRIVAL = struct.Struct("=QQd")
"""Written and read whole: a pipe takes so few bytes at once or not at all (pipe(7), PIPE_BUF)."""
_AT_ONCE = 1024
"""Arrivals that are read in one go, and no more while so many wait for the log to be read."""


class Arrival(NamedTuple):
    """A piece of output that the keeper has written into the log."""

    generation: int
    end: int
    """Length of the generation's log with it, bytes."""
    at: float
    """Unix seconds."""


class Telling:
    """The keeper's end."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def tell(self, arrival: Arrival) -> None:
        """Never blocks, and never raises: where the pipe is full, the time of its reading counts as the arrival."""
        with suppress(OSError):
            os.write(self._writer, _ARRIVAL.pack(*arrival))


class Arrivals:
    """The supervisor's end."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._told: deque[Arrival] = deque()

    def pieces(
        self, generation: int, begin: int, data: bytes, since: float, now: float
    ) -> Iterator[tuple[bytes, float]]:
        """``data``, which stands at ``begin`` in the log, in the pieces in which it arrived, and when each did.

        It arrived between ``since`` and ``now`` (Unix seconds), whatever was told: clocks are set, logs are emptied.
        """
        self._hear()
        done = 0
        while done < len(data) and self._told and self._told[0].generation <= generation:
            told = self._told[0]
            end = told.end - begin if told.generation == generation else 0
            if end > done:
                yield data[done:end], min(max(told.at, since), now)
                done = end
            if end <= len(data):
                self._told.popleft()
        if done < len(data):
            yield data[done:], now

    def _hear(self) -> None:
        if len(self._told) < _AT_ONCE:
            with suppress(OSError):
                said = os.read(self._reader, _AT_ONCE * _ARRIVAL.size)
                for arrival in map(Arrival._make, _ARRIVAL.iter_unpack(said)):
                    self._take(arrival)

    def _take(self, arrival: Arrival) -> None:
        last = self._told[-1] if self._told else arrival
        if arrival.generation == last.generation and arrival.end < last.end:
            self._told.clear()  # somebody emptied the log: what was told of before is gone
        self._told.append(arrival)
