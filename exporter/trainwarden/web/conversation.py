"""One connection from its opening to its end: request, answer, and again while both sides like to go on."""

import logging
import socket
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from trainwarden.web import request as requests
from trainwarden.web.answer import Answer, Refused, sentence
from trainwarden.web.request import Request
from trainwarden.web.wire import Lost, Wire

log = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
"""From a connection's opening, or a further request's first byte, to the request's last byte, the TLS handshake
included; as long again for sending the answer."""
IDLE_SECONDS = 330.0
"""How long a connection may wait for a further request. Prometheus keeps its own for 300 s: let it close first."""

_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Host(Protocol):
    """Who answers. Called from many threads."""

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""

    def secure(self, connection: socket.socket) -> socket.socket:
        """Put TLS around the connection, where it is to be. Raises ``OSError`` or ``Refused``."""

    def answer(self, request: Request) -> Answer:
        """Answer. Raises ``Refused``."""

    def count(self, status: int) -> None:
        """One more answer with this status."""


class Conversation:
    """What is said over one connection."""

    def __init__(self, connection: socket.socket, host: Host) -> None:
        self.idle = False
        """Whether it waits for a further request."""
        self._ending = False
        self._host = host
        self._wire = Wire(connection, REQUEST_SECONDS)

    def run(self) -> None:
        """Answer until either side has had enough."""
        try:
            self._converse()
        except Lost:
            pass  # a client that goes away, or is too slow, is no error of ours
        except Exception:
            log.exception("a connection could not be answered: a fault of trainwarden's own")
        finally:
            self._wire.close()

    def end(self) -> None:
        """Let it end: now where it is idle, else with the answer that it is at. From any thread."""
        self._ending = True
        if self.idle:
            with suppress(OSError):  # past TLS, whose state belongs to the other thread
                socket.socket.shutdown(self._wire.socket, socket.SHUT_RDWR)

    def turn_away(self) -> None:
        """Say that there is no room, without waiting for anything. The connection stays open until ``drop``."""
        with suppress(OSError):
            self._wire.socket.setblocking(False)
            self._wire.socket.send(_NO_ROOM)
            self._wire.socket.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Close the connection as it is."""
        self._wire.socket.close()

    def _converse(self) -> None:
        try:
            self._wire.secure(self._host.secure)
            while (request := requests.read(self._wire)) and self._reply(request) and self._further():
                self._wire.allow(REQUEST_SECONDS)
        except Refused as refused:
            self._send(refused.answer, whole=True, lasting=False)

    def _reply(self, request: Request) -> bool:
        """Answer the request; says whether another may follow."""
        answer = self._answer(request)
        lasting = request.lasting and answer.status < HTTPStatus.BAD_REQUEST and not self._ending
        self._send(answer, whole=request.method != "HEAD", lasting=lasting)
        return lasting

    def _answer(self, request: Request) -> Answer:
        try:
            return self._host.answer(request)
        except Refused as refused:
            return refused.answer
        except Lost:
            raise
        except Exception:
            log.exception("a request could not be answered: a fault of trainwarden's own")
            return sentence(HTTPStatus.INTERNAL_SERVER_ERROR, "A fault of trainwarden's own: its log says more.")

    def _send(self, answer: Answer, *, whole: bool, lasting: bool) -> None:
        self._host.count(answer.status)
        self._wire.allow(REQUEST_SECONDS)
        self._wire.send(answer.on_the_wire(whole=whole, lasting=lasting))

    def _further(self) -> bool:
        """Wait for the first byte of a further request; False where none comes."""
        if self._wire.received:
            return True
        self.idle = True
        try:
            self._wire.allow(IDLE_SECONDS)
            return not self._ending and self._wire.more()
        finally:
            self.idle = False
