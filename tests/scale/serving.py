"""Serves every machine's pages to a real Prometheus: `/machine-0001/trainwarden` and so on, on loopback.

What thousands of machines do elsewhere is done here beside Prometheus, so it yields: it takes the cores that are idle.
"""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.scale import fleet
from tests.scale.fleet import Line

Pages = Mapping[str, tuple[Sequence[Line], Sequence[Line]]]
"""By job: the lines of a machine that is well and of one that is sick."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, pages: Pages, begins: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages, self.begins = pages, begins
        self.written: dict[tuple[str, bool], tuple[int, str]] = {}

    def page(self, job: str, sick: bool) -> str:
        """Written once a second, for all machines."""
        now = int(time.time())
        at, text = self.written.get((job, sick), (0, ""))
        if at != now:
            text = fleet.page(self.pages[job][sick], self.begins, now)
            self.written[job, sick] = now, text
        return text

    def serve_yielding(self) -> None:
        """Serve, in this thread and those that it starts, with the lowest priority (on Linux each thread has one)."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        self.serve_forever()

    def handle_error(self, request: object, client_address: object) -> None:
        """Prometheus is killed at the end, and with it its connections."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        _, machine, job = self.path.split("/")
        body = self.server.page(job, fleet.is_sick(machine)).replace(fleet.MACHINE, machine).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(pages: Pages, begins: float) -> Iterator[str]:
    """Serve them; where."""
    server = _Server(pages, begins)
    thread = threading.Thread(target=server.serve_yielding, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
