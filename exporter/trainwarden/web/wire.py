"""One client's connection: what it sends, read until a moment, however slowly its bytes drip."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

LINGER_SECONDS = 2.0
"""How long what a client still sends is read off after the last answer: else that would be lost to a reset."""
_CHUNK = 16384


class Lost(Exception):  # noqa: N818  (a client's way of ending, not a fault)
    """The client is gone."""


class Late(Lost):
    """The client took longer than it was allowed."""


class Wire:
    """A connection with one deadline at a time, for all that is read and written until the next."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.socket = connection
        self.received = bytearray()
        """What has come and is not used yet."""
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """From now on so many seconds are left."""
        self._until = time.monotonic() + seconds

    def secure(self, wrap: Callable[[socket.socket], socket.socket]) -> None:
        """Go on inside what ``wrap`` puts around the connection. Raises ``Lost``, and what ``wrap`` refuses with."""
        self.socket = self._in_time(lambda: wrap(self.socket))

    def more(self) -> bool:
        """Receive what comes next; False where the client has ended. Raises ``Lost``."""
        data = self._in_time(lambda: self.socket.recv(_CHUNK))
        self.received += data
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send all of it. Raises ``Lost``."""
        self._in_time(lambda: self.socket.sendall(data))

    def close(self) -> None:
        """Say that this was the last answer, and read off what the client may still be sending."""
        until = time.monotonic() + LINGER_SECONDS
        with suppress(OSError), self.socket:
            self.socket.settimeout(LINGER_SECONDS)
            _say_goodbye(self.socket)
            while time.monotonic() < until and self.socket.recv(1 << 16):
                pass

    def _in_time(self, act: Callable[[], T]) -> T:
        left = self._until - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            return act()
        except TimeoutError as error:
            raise Late from error
        except OSError as error:
            raise Lost from error


def _say_goodbye(connection: socket.socket) -> None:
    if unwrap := getattr(connection, "unwrap", None):  # TLS says it inside the encryption first
        with suppress(OSError, ValueError):  # the latter where the handshake did not come about
            unwrap()
    connection.shutdown(socket.SHUT_WR)
