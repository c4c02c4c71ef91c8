"""The exporter's HTTP edge: ``/metrics``, and a small page for whoever opens the address in a browser.

Read-only. Carries neither rich nor requests: it runs beside the training for weeks.
"""

import contextlib
import gzip
import html
import logging
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

from trainwarden import textformat
from trainwarden.collectors import process
from trainwarden.collectors.machine import Machine
from trainwarden.config import Config, split_address
from trainwarden.errors import TrainwardenError
from trainwarden.runs.folder import runs_root

log = logging.getLogger(__name__)

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>trainwarden exporter</title></head>
<body><h1>trainwarden exporter</h1>
<p>This machine's and its training runs' readings, for Prometheus: <a href="metrics">metrics</a></p>
<p>Runs are read from <code>{runs}</code>. To see them: <code>trainwarden up</code></p>
</body></html>
"""


class ListenError(TrainwardenError):
    """The address cannot be listened on."""


def serve(config: Config, listen: str | None = None) -> None:
    """Answer on ``listen`` (``host:port``, by default as configured) until SIGTERM or SIGINT.

    Raises ``ListenError`` where the address cannot be had.
    """
    logging.basicConfig(level=logging.INFO, format="trainwarden exporter: %(message)s")
    server = make_server(config, listen or config.exporter.listen)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    with server, contextlib.suppress(KeyboardInterrupt):
        print(f"trainwarden exporter: listening on {_url(server)}", file=sys.stderr, flush=True)
        server.serve_forever()


def make_server(config: Config, listen: str) -> ThreadingTCPServer:
    """A server that is bound and does not answer yet. Port 0 takes any that is free. Raises ``ListenError``."""
    machine = Machine(config, runs_root())
    host, port = split_address(listen)
    try:
        return _Server((host, port), partial(_Handler, machine))
    except OSError as error:
        raise ListenError(
            f"cannot listen on {listen}: {error.strerror or error}; end what uses port {port}, or choose another "
            "address with --web.listen-address HOST:PORT (or exporter.listen in trainwarden.yml)"
        ) from error


def _url(server: ThreadingTCPServer) -> str:
    host, port = server.socket.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"


class _Server(ThreadingTCPServer):
    """HTTPServer would look its own name up in DNS first, and wait for that where there is none."""

    allow_reuse_address = True
    daemon_threads = True  # a scrape in flight does not keep the process from ending

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002  (socketserver's)
        """A client that goes away is no error of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            log.exception("a request from %s could not be answered", client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = 30  # a client that sends nothing does not hold its thread for ever

    def __init__(self, machine: Machine, *arguments: object) -> None:
        self._machine = machine
        super().__init__(*arguments)  # type: ignore[arg-type]  # what socketserver hands over

    def do_GET(self) -> None:
        """Answer one of the four pages."""
        pages: dict[str, Callable[[], None]] = {
            "/": self._landing,
            "/metrics": self._metrics,
            "/-/healthy": partial(self._send, b"trainwarden exporter is healthy.\n"),
            "/-/ready": partial(self._send, b"trainwarden exporter is ready.\n"),
        }
        page = pages.get(self.path.partition("?")[0])
        if page is None:
            self._send(b"There is nothing here; the readings are at /metrics.\n", status=HTTPStatus.NOT_FOUND)
        else:
            page()

    def _metrics(self) -> None:
        content_type = textformat.negotiate(self.headers.get("Accept", ""))
        self._send(textformat.write([*self._machine.collect(), *process.families()], content_type), content_type)

    def _landing(self) -> None:
        page = _PAGE.format(runs=html.escape(str(runs_root())))
        self._send(page.encode(), "text/html; charset=utf-8")

    def _send(
        self, body: bytes, content_type: str = "text/plain; charset=utf-8", status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_header("Content-Encoding", "gzip")
            body = gzip.compress(body, compresslevel=5)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """What the Server header says; the default names Python's version, which concerns nobody."""
        return "trainwarden"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: one line for each scrape would bury what matters."""
