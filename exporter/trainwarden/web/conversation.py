"""One connection from its opening to its end: request, answer, and again while both sides like to go on.

Whatever the client does, no thread waits for it: a conversation goes as far as it can, says for what it waits, and is
taken up again, by any thread, when that has come.
"""

import logging
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from trainwarden.web import request as requests
from trainwarden.web.answer import Answer, Refused, sentence
from trainwarden.web.request import More, Request
from trainwarden.web.wire import Late, Lost, Wire

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
"""From a connection's opening, or a further request's first byte, to the request's last byte, the TLS handshake
included; as long again for sending the answer."""
IDLE_SECONDS = 330.0
"""How long a connection may wait for a further request. Prometheus keeps its own for 300 s: let it close first."""

READING, WRITING, OVER = select.EPOLLIN, select.EPOLLOUT, 0
"""What a conversation waits for: the client's bytes, room for ours, or nothing any more."""

_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


class Host(Protocol):
    """Who answers. Called from many threads."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    def secure(self, connection: socket.socket) -> socket.socket:
        """Put TLS around the connection, where it is to be. Raises ``OSError`` or ``Refused``."""

    def answer(self, request: Request) -> Answer:
        """Answer. Raises ``Refused``, and ``More`` where it should be asked again with more of the body."""

    def count(self, status: int) -> None:
        """One more answer with this status."""


class Conversation:
    """What is said over one connection. One thread at a time may be at it; who asks or ends may be another."""

    def __init__(self, connection: socket.socket, host: Host) -> None:
        self.idle = False
        """Whether it waits for a further request."""
        self.answering = False
        """Whether it is the client that waits."""
        self.descriptor = connection.fileno()
        self._host = host
        self._wire = Wire(connection, REQUEST_SECONDS)
        self._ending = False
        self._request: Request | None = None
        self._lacks = 0
        self._lasting = True
        self._next: Callable[[], int | None] = self._secure

    def advance(self) -> int:
        """Go on as far as that is possible now; for what to wait then."""
        try:
            while (waits_for := self._step()) is None:
                pass
        except Lost:
            return OVER  # a client that goes away, or is too slow, is no error of ours
        except Exception:
            log.exception("a connection could not be answered: a fault of trainwarden's own")
            return OVER
        return waits_for

    @property
    def overdue(self) -> bool:
        """Whether the client has used up its time."""
        return self._wire.late and not self.answering

    @property
    def waits_since(self) -> float:
        """Since when the client may speak, or has begun to, on the monotonic clock."""
        return self._wire.since

    def let_go(self) -> None:
        """Wait for this client no longer. From any thread."""
        self._wire.hang_up()

    def end(self) -> None:
        """Let it end: now where it is idle, else with the answer that it is at. From any thread."""
        self._ending = True
        if self.idle:
            self._wire.hang_up()

    def turn_away(self) -> None:
        """Say that there is no room, without waiting for anything. The connection stays open until ``drop``."""
        with suppress(OSError):
            self._wire.socket.send(_NO_ROOM)
            self._wire.socket.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Close the connection as it is."""
        self._wire.close()

    def _step(self) -> int | None:
        """One step; None where the next may follow at once."""
        try:
            return self._next()
        except Refused as refused:
            self._say(refused.answer, whole=True, lasting=False)
            return None

    def _secure(self) -> int | None:
        if not self._wire.secure(self._host.secure):
            return READING
        self._next = self._read
        return None

    def _read(self) -> int | None:
        self._request = requests.take(self._wire.received)
        if self._request is None:
            return self._hear()
        self._next = self._answer
        return None

    def _hear(self) -> int | None:
        """Take more of the head."""
        heard = self._wire.receive()
        if heard is None:
            return READING
        if self.idle:
            self.idle = False
            self._wire.allow(REQUEST_SECONDS)
        if not heard and self._wire.received:
            raise requests.cut_short()
        return None if heard else OVER

    def _answer(self) -> int | None:
        request = self._request
        assert request is not None
        self.answering = True
        try:
            answer = self._ask(request)
        except More as more:
            self.answering = False
            self._await_body(request, more.length)
            return None
        lasting = request.lasting and answer.status < HTTPStatus.BAD_REQUEST and not self._ending
        self._say(answer, whole=request.method != "HEAD", lasting=lasting)
        return None

    def _ask(self, request: Request) -> Answer:
        try:
            return self._host.answer(request)
        except Refused as refused:
            return refused.answer
        except More:
            raise
        except Exception:
            log.exception("a request could not be answered: a fault of trainwarden's own")
            return sentence(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of trainwarden's own: its log says more.")

    def _await_body(self, request: Request, length: int) -> None:
        self._lacks, self._next = length, self._read_body
        if request.waits_to_go_on:
            self._wire.put(_GO_ON)
            self._wire.flush()

    def _read_body(self) -> int | None:
        if len(self._wire.received) >= self._lacks:
            self._next = self._answer
            return None
        try:
            heard = self._wire.receive()
        except Late:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "The body was not there in time.") from None
        if heard is False:
            raise Refused(HTTPStatus.BAD_REQUEST, "The body is shorter than its Content-Length.")
        return None if heard else READING

    def _say(self, answer: Answer, *, whole: bool, lasting: bool) -> None:
        self._host.count(answer.status)
        self._wire.allow(REQUEST_SECONDS)
        self.answering = False
        self._lasting = lasting
        self._wire.put(answer.on_the_wire(whole=whole, lasting=lasting))
        self._next = self._send

    def _send(self) -> int | None:
        if not self._wire.flush():
            return WRITING
        if not self._lasting:
            self._wire.say_goodbye()
            self._next = self._linger
            return None
        self._next = self._read
        if self._wire.received:  # a further request has come with the last one
            return None
        self._wire.allow(IDLE_SECONDS)
        self.idle = True
        return OVER if self._ending else READING

    def _linger(self) -> int:
        return READING if self._wire.discard() else OVER
