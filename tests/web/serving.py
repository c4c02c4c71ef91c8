"""An edge served inside the test's own process, so that a test may hold its readings up."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from trainwarden import names
from trainwarden.config import ExporterConfig
from trainwarden.series import Series, build
from trainwarden.web.exposition import ExporterPages
from trainwarden.web.server import Server
from trainwarden.web.site import Site

Collect = Callable[[float | None], Iterable[Series]]


def good(*failing: str) -> list[Series]:
    """A reading of three collectors, of which some fail."""
    success = (((name,), name not in failing) for name in ("host", "gpu", "runs"))
    return [build(names.COLLECTOR_SUCCESS, success), build(names.HOST_MEMORY_TOTAL, [((), 32.0)])]


class Served:
    """A server that answers, and how to ask it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.urls[0]
        host, _, port = self.url.partition("://")[2].partition(":")
        self.address = host, int(port)
        self._thread = threading.Thread(target=server.serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop and close, as the command does; once more is no harm."""
        self.server.stop()
        self._thread.join(10)
        self.server.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=10)

    def http(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """A connection that is kept from request to request."""
        if context is not None:
            return http.client.HTTPSConnection(*self.address, timeout=10, context=context)
        return http.client.HTTPConnection(*self.address, timeout=10)

    def get(self, path: str, method: str = "GET", **headers: str) -> "Reply":
        """Ask once."""
        connection = self.http()
        try:
            return ask(connection, path, method, **headers)
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """Send these bytes and nothing more, and read until the server has nothing more to say."""
        with self.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return connection.makefile("rb").read()


class Reply:
    """An answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode(errors="replace")


def ask(connection: http.client.HTTPConnection, path: str, method: str = "GET", **headers: str) -> Reply:
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return Reply(connection.getresponse())


@contextmanager
def serving(collect: Collect = lambda _: good(), **settings: Any) -> Iterator[Served]:
    """The exporter's pages above ``collect``, with these settings of ``exporter:``."""

    def collect_whatever_is_shared(seconds: float | None, *, anew: bool) -> Iterable[Series]:
        return collect(seconds)

    with serving_site(ExporterPages(ExporterConfig(**settings), collect_whatever_is_shared).site()) as served:
        yield served


@contextmanager
def serving_site(site: Site) -> Iterator[Served]:
    """These pages."""
    served = Served(Server(["127.0.0.1:0"], site))
    try:
        yield served
    finally:
        served.end()
