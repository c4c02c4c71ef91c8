"""The socket's edge: one line in, one line out, and nobody who is slow or hostile holds anything up."""

import os
import selectors
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from trainwarden.errors import TrainwardenError
from trainwarden.runs import control
from trainwarden.runs.control import MAX_MESSAGE, Reply, Request
from trainwarden.runs.folder import RunFolder

PATIENCE_SECONDS = 10.0
"""How long one connection may take from its opening to the last byte of the answer."""
MAX_CONNECTIONS = 32
"""A further one costs the oldest its place."""
_BACKLOG = 128
"""A connection that finds it full is refused at once, with EAGAIN."""


@dataclass(eq=False)
class _Connection:
    socket: socket.socket
    until: float
    received: bytes = b""
    answer: bytes | None = None


class ControlServer:
    """Listens on ``control.sock`` and answers each request with what ``carry_out`` says.

    It does not wait for anything: the owner's loop calls ``ready`` through the selector, and ``expire`` now and then.
    """

    def __init__(
        self,
        folder: RunFolder,
        selector: selectors.BaseSelector,
        carry_out: Callable[[Request], Reply],
        clock: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._selector = selector
        self._carry_out = carry_out
        self._clock = clock
        self._connections: list[_Connection] = []
        self._listener = _listen(folder)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def expire(self, now: float) -> None:
        """Hang up on who has used up his time."""
        for connection in [c for c in self._connections if c.until < now]:
            self._close(connection)

    def finish(self, seconds: float = 1.0) -> None:
        """Stop listening, and send off the answers that are under way."""
        self._selector.unregister(self._listener)
        self._listener.close()
        for connection in list(self._connections):
            if connection.answer:
                connection.socket.settimeout(seconds)
                with suppress(OSError):
                    connection.socket.sendall(connection.answer)
            self._close(connection)
        self._folder.socket_path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with suppress(OSError):
            accepted, _ = self._listener.accept()
            accepted.setblocking(False)
            connection = _Connection(accepted, self._clock() + PATIENCE_SECONDS)
            self._connections.append(connection)
            self._selector.register(accepted, selectors.EVENT_READ, lambda: self._read(connection))
        if len(self._connections) > MAX_CONNECTIONS:
            self._close(self._connections[0])

    def _read(self, connection: _Connection) -> None:
        try:
            data = connection.socket.recv(MAX_MESSAGE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.received += data
        line, ended, _ = connection.received.partition(b"\n")
        if len(line) > MAX_MESSAGE:
            self._answer(connection, _refusal(f"a request is one line of at most {MAX_MESSAGE} bytes"))
        elif ended:
            self._answer(connection, self._reply(line))
        elif not data:
            self._close(connection)

    def _reply(self, line: bytes) -> Reply:
        try:
            return self._carry_out(control.decode_request(line))
        except (TrainwardenError, OSError, ValueError) as error:  # a full disk ends no supervision
            return _refusal(str(error))

    def _answer(self, connection: _Connection, reply: Reply) -> None:
        connection.answer = msgspec.json.encode(reply) + b"\n"
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, lambda: self._write(connection))
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.answer or b"")
        except BlockingIOError:
            return
        except OSError:
            self._close(connection)
            return
        connection.answer = (connection.answer or b"")[sent:]
        if not connection.answer:
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._selector.unregister(connection.socket)
            connection.socket.close()


def _refusal(sentence: str) -> Reply:
    return Reply(ok=False, error=sentence)


def _listen(folder: RunFolder) -> socket.socket:
    """Bind anew: a socket file that a dead supervisor left behind answers nobody."""
    folder.socket_path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    before = os.umask(0o177)
    try:
        with control.address(folder) as where:
            listener.bind(where)
    finally:
        os.umask(before)
    listener.listen(_BACKLOG)
    return listener
