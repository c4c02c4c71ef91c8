"""One client's connection: what it sends and is sent, as far as that goes without waiting, and until when."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

LINGER_SECONDS = 2.0
"""How long what a client still sends is read off after the last answer: else that would be lost to a reset."""
_CHUNK = 16384
"""Bytes; no record of TLS holds more, so none is left inside OpenSSL where no selector would see it."""


class Lost(Exception):  # noqa: N818  (a client's way of ending, not a fault)
    """The client is gone."""


class Late(Lost):
    """The client took longer than it was allowed."""


class Wire:
    """A connection that never waits, with one deadline at a time for all that is read and written until the next."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        connection.setblocking(False)
        self.socket = self._outer = connection
        self.received = bytearray()
        """What has come and is not used yet."""
        self._unsent = memoryview(b"")
        self._wrapped = self._hung_up = False
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """From now on so many seconds are left."""
        self.since = time.monotonic()
        self._until = self.since + seconds

    @property
    def late(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() >= self._until

    def secure(self, wrap: Callable[[socket.socket], socket.socket]) -> bool:
        """Go on inside what ``wrap`` puts around the connection; False where the client has to say more first.

        Raises ``Lost``, and what ``wrap`` refuses with.
        """
        return self._now(lambda: self._shake_hands(wrap)) is not None

    def _shake_hands(self, wrap: Callable[[socket.socket], socket.socket]) -> bool:
        if not self._wrapped:
            self.socket = wrap(self.socket)
            self._wrapped = True
        if handshake := getattr(self.socket, "do_handshake", None):
            handshake()
        return True

    def receive(self) -> bool | None:
        """Take what has come: None where nothing has, False where the client has ended. Raises ``Lost``."""
        data = self._now(lambda: self.socket.recv(_CHUNK))
        if data is None:
            return None
        if not data and self._hung_up:
            raise Lost  # by us: a client that is told that its request was wrong would not send it again
        self.received += data
        return bool(data)

    def put(self, data: bytes) -> None:
        """Have it sent by ``flush``."""
        self._unsent = memoryview(bytes(self._unsent) + data) if self._unsent else memoryview(data)

    def flush(self) -> bool:
        """Send as much as the client takes now; whether that is all. Raises ``Lost``."""
        while self._unsent:
            sent = self._now(lambda: self.socket.send(self._unsent))
            if sent is None:
                return False
            self._unsent = self._unsent[sent:]
        return True

    def say_goodbye(self) -> None:
        """Say that this was the last answer; what the client still sends has to be read off. Raises ``Lost``."""
        self.allow(LINGER_SECONDS)
        if unwrap := getattr(self.socket, "unwrap", None):  # TLS says it inside the encryption first
            with suppress(OSError, ValueError):  # not answered yet; the latter where the handshake did not come about
                unwrap()
        self._now(lambda: self.socket.shutdown(socket.SHUT_WR))

    def discard(self) -> bool:
        """Read off what has come; False where the client has ended. Raises ``Lost``."""
        return self._now(lambda: self.socket.recv(1 << 16)) != b""

    def hang_up(self) -> None:
        """Wake who waits for this connection: nothing more is to be expected. From any thread."""
        self._hung_up = True
        how = socket.SHUT_RDWR if self._unsent else socket.SHUT_RD
        with suppress(OSError):  # gone already
            socket.socket.shutdown(self.socket, how)  # past TLS, whose state belongs to the other thread

    def close(self) -> None:
        """Close the connection as it is."""
        self.socket.close()
        self._outer.close()

    def _now(self, act: Callable[[], T]) -> T | None:
        """None where it would have to wait."""
        if self.late:
            raise Late
        try:
            return act()
        except BlockingIOError:
            return None
        except OSError as error:
            raise Lost from error
