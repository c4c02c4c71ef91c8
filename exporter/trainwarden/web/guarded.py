"""A small HTTP server that nobody can hold up: a few connections at a time, one request each, with one deadline.

Whatever is sent, the answer is one sentence with the right status; only 4xx for what is wrong with a request.
"""

import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
REQUEST_SECONDS = 10.0
"""From the opening of a connection to the last byte of its request."""
LINGER_SECONDS = 2.0
"""How long what a client still sends is read off after the answer: else the answer would be lost to a reset."""


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """The request is answered with this status and sentence."""

    def __init__(self, status: HTTPStatus, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class GuardedServer(ThreadingTCPServer):
    """At most ``MAX_CONNECTIONS`` at a time; a further one is told to come again."""

    allow_reuse_address = True
    daemon_threads = True  # a request in flight does not keep the process from ending
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: "type[GuardedHandler]", count: Callable[[int], None]) -> None:
        """Bind. ``count`` is told the status code of every answer."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.count = count
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for the connection, where there is room for one."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        self.count(HTTPStatus.SERVICE_UNAVAILABLE)
        with suppress(OSError):
            request.send(b"HTTP/1.0 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the connection's one request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  (socketserver's)
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            log.exception("a request from %s could not be answered", client_address)


class _Timely(io.RawIOBase):
    """Reads from a connection until a moment, however slowly its bytes drip."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._until = time.monotonic() + seconds

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes. Raises ``TimeoutError`` when the moment has come."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class GuardedHandler(BaseHTTPRequestHandler):
    """One connection, one request. Who inherits says in ``route`` what is answered."""

    server: GuardedServer

    def route(self) -> None:
        """Answer the request by ``say``, or raise ``Refused``."""
        raise NotImplementedError

    def say(
        self,
        status: int,
        body: bytes | str,
        kind: str = "text/plain; charset=utf-8",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Answer."""
        data = f"{body}\n".encode() if isinstance(body, str) else body
        self.server.count(status)
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def read_body(self, limit: int) -> bytes:
        """The whole body, refused before it is read where it says that it is longer than ``limit`` bytes."""
        length = self.headers.get("Content-Length")
        if length is None or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Send the body with its Content-Length.")
        if not (length.isascii() and length.isdecimal()):
            raise Refused(HTTPStatus.BAD_REQUEST, "The Content-Length is not a number.")
        if len(length) > len(str(limit)) or int(length) > limit:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may hold {limit} bytes at most.")
        try:
            body = self.rfile.read(int(length))
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, f"The body was not there within {REQUEST_SECONDS:g} s.") from None
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, "The body is shorter than its Content-Length.")
        return body

    def setup(self) -> None:
        """Give the whole request one deadline."""
        super().setup()
        self.rfile = io.BufferedReader(_Timely(self.connection, REQUEST_SECONDS))

    def finish(self) -> None:
        """Say that the answer is complete, and read off what a client may still be sending."""
        super().finish()
        until = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(LINGER_SECONDS)
            while time.monotonic() < until and self.connection.recv(1 << 20):
                pass

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method goes to the same place (``http.server`` looks for ``do_<METHOD>``)."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        try:
            self.route()
        except Refused as refused:
            self.say(refused.status, str(refused), headers=refused.headers)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what ``http.server`` cannot even read. A version of HTTP that nobody speaks is the client's fault."""
        self.request_version = "HTTP/1.0"  # so that the answer has a status line, whatever was asked in
        status = code if code < HTTPStatus.INTERNAL_SERVER_ERROR else HTTPStatus.BAD_REQUEST
        self.say(status, "Not a request of HTTP/1.")

    def version_string(self) -> str:
        """What the Server header says; the default names Python's version, which concerns nobody."""
        return "trainwarden"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: requests are counted, and their text is nobody's to put into a log."""
