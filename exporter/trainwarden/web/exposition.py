"""The exporter's HTTP edge: ``/metrics``, whether it is alive and fresh, and a small page for a browser.

Read-only. Carries neither rich nor requests: it runs beside the training for weeks.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus

from trainwarden import names
from trainwarden.collectors import process
from trainwarden.collectors.machine import Machine
from trainwarden.config import Config, ExporterConfig
from trainwarden.deadline import OverdueError
from trainwarden.runs.folder import runs_root
from trainwarden.series import Series
from trainwarden.web.answer import Answer, Refused, escaped, page, sentence
from trainwarden.web.flight import Collect, SingleFlight
from trainwarden.web.protection import Protection
from trainwarden.web.rendering import Rendered
from trainwarden.web.request import Request
from trainwarden.web.server import Server, serve_until_told
from trainwarden.web.site import Page, Requests, Site, metrics_page

FRESH_SECONDS = 15.0
"""A reading that is no older tells whether the exporter is ready; else one is taken now."""
TIMEOUT_OFFSET = 0.5
"""Seconds of Prometheus' own timeout that are left for writing, sending and reading the answer."""

_TIMEOUT_HEADER = "x-prometheus-scrape-timeout-seconds"
_CODES = (200, 400, 401, 404, 405, 414, 431, 500, 503)


def serve(config: Config, listen: Sequence[str] = (), machine: Machine | None = None) -> None:
    """Answer until SIGTERM or SIGINT; ``machine`` is by default this one.

    Raises ``ConfigurationError`` and ``ListenError``.
    """
    logging.basicConfig(level=logging.INFO, format="trainwarden exporter: %(message)s")
    with make_server(config, listen, machine) as server:
        serve_until_told(server, "trainwarden exporter", config.exporter.telemetry_path)


def make_server(config: Config, listen: Sequence[str] = (), machine: Machine | None = None) -> Server:
    """A server that is bound (by default where the configuration says) and does not answer yet.

    Raises ``ConfigurationError`` and ``ListenError``.
    """
    machine = machine or Machine(config, runs_root())
    site = ExporterPages(config.exporter, machine.collect).site()
    return Server(listen or (config.exporter.listen,), site)


class ExporterPages:
    """What the exporter answers, from what ``collect`` reads."""

    def __init__(self, settings: ExporterConfig, collect: Collect) -> None:
        self._settings = settings
        self._collect = collect
        self._requests = Requests(_CODES)
        self._flight = SingleFlight(self._read)
        self._slots = threading.Semaphore(settings.max_requests or 1)

    def site(self) -> Site:
        """The pages behind what the web configuration asks for. Raises ``ConfigurationError``."""
        pages = {
            "/": Page(self._landing),
            "/-/healthy": Page(lambda _: sentence(HTTPStatus.OK, "trainwarden exporter is healthy.")),
            "/-/ready": Page(self._ready),
        }
        path = self._settings.telemetry_path
        answer = self._bounded if self._settings.max_requests else self._metrics
        pages |= metrics_page("exporter", path, answer, pages)
        otherwise = f"There is nothing here; the readings are at {path}."
        return Site(pages, Protection(self._settings.web_config_file), self._requests.count, otherwise)

    def _read(self, seconds: float | None, *, anew: bool) -> Iterator[Series]:
        yield from self._collect(seconds, anew=anew)
        yield from process.families()
        yield self._requests.series()

    def _bounded(self, request: Request) -> Answer:
        if not self._slots.acquire(blocking=False):
            most = self._settings.max_requests
            raise _unavailable(f"More than {most} scrapes at once are not answered (--web.max-requests).")
        try:
            return self._metrics(request)
        finally:
            self._slots.release()

    def _metrics(self, request: Request) -> Answer:
        take = self._flight.take_anew if wants_anew(request.headers) else self._flight.take
        try:
            return take(allowed_seconds(request.headers)).answer(request.headers)
        except OverdueError as error:
            raise _unavailable(f"Not in time: {error}.") from None

    def _ready(self, request: Request) -> Answer:
        """Ready means fresh: every collector could take its reading, a moment ago or now."""
        last = self._flight.last(FRESH_SECONDS)
        if last is None or failing_collectors(last):
            self._try_now(allowed_seconds(request.headers))
        return sentence(HTTPStatus.OK, "trainwarden exporter is ready.")

    def _try_now(self, seconds: float | None) -> None:
        try:
            failing = failing_collectors(self._flight.take(seconds))
        except OverdueError as error:
            raise _unavailable(f"Not ready: {error}.") from None
        if failing:
            which = f"collector{'s' if len(failing) > 1 else ''} {', '.join(failing)}"
            raise _unavailable(f"Not ready: no whole reading from {which}; the exporter's log says why.")

    def _landing(self, _: Request) -> Answer:
        path, runs = (escaped(text) for text in (self._settings.telemetry_path.removeprefix("/"), str(runs_root())))
        return page(
            "trainwarden exporter",
            f"This machine's and its training runs' readings, for Prometheus: <a href=\"{path}\">metrics</a>",
            f"Runs are read from <code>{runs}</code>. To see them: <code>trainwarden up</code>",
        )


def failing_collectors(reading: Rendered) -> list[str]:
    """The collectors that say of themselves that they could not read all that they should."""
    success = (series for series in reading.series if series.family == names.COLLECTOR_SUCCESS)
    return [labels[0] for series in success for labels, value in series.samples if value != 1]


def allowed_seconds(headers: Mapping[str, str]) -> float | None:
    """How long a reading may take by the client's own timeout; None where it names none that makes sense."""
    try:
        timeout = float(headers.get(_TIMEOUT_HEADER, ""))
    except ValueError:
        return None
    # At least half of a very short one: else nothing could be read at all.
    return max(timeout - TIMEOUT_OFFSET, timeout / 2) if 0 < timeout < float("inf") else None


def wants_anew(headers: Mapping[str, str]) -> bool:
    """Whether the client takes no reading that was taken for others: HTTP's own word for that, RFC 9111 §5.2.1.4."""
    return "no-cache" in headers.get("cache-control", "").lower()


def _unavailable(said: str) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, said)
