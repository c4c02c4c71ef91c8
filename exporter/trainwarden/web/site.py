"""The pages of an edge, behind its protection: finds the page, lets in who may come, adds the headers asked for."""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from trainwarden import names
from trainwarden.config import check_telemetry_path
from trainwarden.series import Series, build
from trainwarden.web.answer import Answer, Refused
from trainwarden.web.protection import Protection
from trainwarden.web.request import Request


class Page(NamedTuple):
    """What answers at one path."""

    answer: Callable[[Request], Answer]
    method: str = "GET"
    """GET is answered as HEAD too."""
    knows_its_clients: bool = False
    """Whether it asks for a secret of its own, and so for no user."""


class Site:
    """Answers requests; the ``Host`` of a server."""

    def __init__(
        self, pages: Mapping[str, Page], protection: Protection, count: Callable[[int], None], otherwise: str
    ) -> None:
        """``count`` is told the status of every answer; ``otherwise`` is said where there is no page."""
        self._pages = pages
        self._protection = protection
        self._count = count
        self._otherwise = otherwise

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "https" if self._protection.rules().tls else "http"

    def secure(self, connection: socket.socket) -> socket.socket:
        """Put TLS around the connection, if that is asked for. Raises ``OSError`` and ``Refused``."""
        return self._protection.secure(connection)

    def count(self, status: int) -> None:
        """One more answer with this status."""
        self._count(status)

    def answer(self, request: Request) -> Answer:
        """Answer, with the headers that are asked for whatever the answer is."""
        rules = self._protection.rules()
        page = self._pages.get(request.path)
        try:
            if rules.users and not (page and page.knows_its_clients):
                rules.users.admit(request.headers)
            answer = self._find(page, request)(request)
        except Refused as refused:
            answer = refused.answer
        return answer._replace(headers={**rules.headers, **answer.headers})

    def _find(self, page: Page | None, request: Request) -> Callable[[Request], Answer]:
        if page is None:
            raise Refused(HTTPStatus.NOT_FOUND, self._otherwise)
        allowed = ("GET", "HEAD") if page.method == "GET" else (page.method,)
        if request.method not in allowed:
            names = ", ".join(allowed)
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {page.method} is answered here.", Allow=names)
        return page.answer


class Requests:
    """Counts answers by their status. Every status that is to be expected is there from the start, at 0."""

    def __init__(self, codes: Iterable[int]) -> None:
        self._lock = threading.Lock()
        self._counts = Counter(dict.fromkeys(codes, 0))

    def count(self, status: int) -> None:
        """One more, from any thread."""
        with self._lock:
            self._counts[int(status)] += 1

    def series(self) -> Series:
        """What was counted so far."""
        with self._lock:
            counts = list(self._counts.items())
        return build(names.HTTP_REQUESTS, (((str(code),), count) for code, count in counts))


def metrics_page(
    edge: str, path: str, answer: Callable[[Request], Answer], others: Mapping[str, Page]
) -> dict[str, Page]:
    """``/metrics``, or where else ``telemetry_path`` puts it. Raises ``ConfigurationError`` where it cannot be."""
    check_telemetry_path(edge, path, taken=others.keys() - {"/"})
    return {path: Page(answer)}
