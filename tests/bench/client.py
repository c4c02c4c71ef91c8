"""Scrapes as Prometheus does: one connection that is kept where the server keeps it, and the clock around the whole."""

import http.client
import time
from typing import NamedTuple

TIMEOUT = 10.0
"""Prometheus' own, seconds."""
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


class Scrape(NamedTuple):
    """One answer."""

    seconds: float
    body: bytes


class Client:
    """Asks one server. ``gzip`` as Prometheus does; without it, the plain text alone.

    ``anew``: asks for what was read for nobody else, which who reads at every scrape, or in a loop, does not heed.
    """

    def __init__(self, port: int, *, gzip: bool = False, anew: bool = False) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"} if gzip else {}
        self._headers |= {"Cache-Control": "no-cache"} if anew else {}

    def scrape(self) -> Scrape:
        """Ask for /metrics. Raises OSError or ``http.client.HTTPException``, and for any status but 200."""
        began = time.perf_counter()
        try:
            answer = self._ask()
        except (http.client.RemoteDisconnected, ConnectionError):  # kept, and closed by the server meanwhile
            self._connection.close()
            began = time.perf_counter()
            answer = self._ask()
        body = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != http.HTTPStatus.OK:
            raise http.client.HTTPException(f"answered {answer.status} {answer.reason}")
        return Scrape(seconds, body)

    def _ask(self) -> http.client.HTTPResponse:
        self._connection.request("GET", "/metrics", headers=self._headers)
        return self._connection.getresponse()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()


def count_series(body: bytes) -> int:
    """Series of an answer in plain text."""
    return sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
