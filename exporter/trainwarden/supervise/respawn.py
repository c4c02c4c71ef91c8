"""The keeper's child that watches the run: started, heard, and replaced when it dies. Standard library only."""

import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_FIRST_PAUSE, _LAST_PAUSE = 0.2, 30.0
"""Seconds before a dead supervisor is replaced, doubled each time that the new one dies young, too."""
_GROWN_UP = 10.0


class SupervisorChild:
    """One supervisor at a time, and the line on which it gives orders to the keeper."""

    def __init__(
        self, folder: Path, selector: selectors.BaseSelector, obey: Callable[[bytes], None], arrivals: int
    ) -> None:
        self._folder = folder
        self._arrivals = arrivals
        """Where each supervisor reads what ``arrivals.Telling`` tells."""
        self._selector = selector
        self._obey = obey
        self._pid = 0
        self._born = 0.0
        self._due = 0.0
        self._pause = _FIRST_PAUSE
        self._line: socket.socket | None = None
        self._received = b""

    def wait_seconds(self, at_most: float) -> float:
        """How long the keeper may sleep."""
        return at_most if self._pid else max(0.0, min(at_most, self._due - time.monotonic()))

    def tend(self) -> None:
        """Start a supervisor where there is none and the pause is over."""
        now = time.monotonic()
        if self._pid or now < self._due:
            return
        self._due = now + self._pause  # should this try fail
        self._hang_up()
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._received = b""
        self._selector.register(self._line, selectors.EVENT_READ, self._hear)
        with theirs:
            handles = (theirs.fileno(), self._arrivals)
            command = [sys.executable, "-m", "trainwarden.supervise.supervisor", str(self._folder), *map(str, handles)]
            self._pid = self._spawn(command, handles)
        self._born = now

    @staticmethod
    def _spawn(command: list[str], handles: tuple[int, ...]) -> int:
        """Start it with these handles, which no training inherits."""
        for handle in handles:
            os.set_inheritable(handle, True)
        try:
            return os.posix_spawn(sys.executable, command, os.environ)
        finally:
            for handle in handles:
                os.set_inheritable(handle, False)

    def reaped(self, pid: int) -> bool:
        """Take note of a dead child; False where it was another."""
        if pid != self._pid:
            return False
        now = time.monotonic()
        self._pid = 0
        self._pause = _FIRST_PAUSE if now - self._born > _GROWN_UP else min(2 * self._pause, _LAST_PAUSE)
        self._due = now + self._pause
        return True

    def _hear(self) -> None:
        if self._line is None:
            return
        try:
            data = self._line.recv(65536)
        except ConnectionResetError:
            data = b""
        except OSError:  # nothing to read after all: the supervisor is still there, and must not lose its keeper
            return
        if not data:
            self._hang_up()
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._obey(line)

    def _hang_up(self) -> None:
        if self._line is not None:
            self._selector.unregister(self._line)
            self._line.close()
            self._line = None
