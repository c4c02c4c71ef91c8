"""The receiver's HTTP edge: Alertmanager's webhook, its own ``/metrics``, and nothing that anybody could misuse.

``POST /alerts`` takes version 4 of Alertmanager's payload. What it accepts is on the disk before it answers 202; the
work is done by ``restart.worker``. No text of an alert reaches a path, a shell or a log.
"""

import hmac
import html
import ipaddress
import logging
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, field

from trainwarden import textformat
from trainwarden.collectors import process
from trainwarden.config import Config, split_address
from trainwarden.errors import ConfigurationError, TrainwardenError
from trainwarden.names import RESTART_ALERTS, RUN_NAME
from trainwarden.restart.intake import Notice
from trainwarden.restart.metrics import ReceiverMetrics, Tally
from trainwarden.restart.states import Intake
from trainwarden.restart.worker import Worker
from trainwarden.runs.folder import runs_root
from trainwarden.web.guarded import GuardedHandler, GuardedServer, Refused

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024

_GENERATION = re.compile(r"[1-9][0-9]{0,8}")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>trainwarden receiver</title></head>
<body><h1>trainwarden receiver</h1>
<p>Takes Alertmanager's webhooks at <code>POST /alerts</code> and restarts stuck runs, safely.
What it does and did: <a href="metrics">metrics</a></p>
<p>The runs, each with its <code>ledger.jsonl</code>: <code>{runs}</code></p>
</body></html>
"""


class Alert(Struct, frozen=True):
    """One alert of the payload; what is not here is not read."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    fingerprint: str = ""
    starts_at: str = field(name="startsAt", default="")


class Payload(Struct, frozen=True):
    """Alertmanager's webhook payload. Each alert has its own status; that of the group is not used."""

    version: Literal["4"]
    alerts: list[Alert]


def serve(config: Config, listen: str | None = None) -> None:
    """Answer on ``listen`` (``host:port``, by default as configured) and work until SIGTERM or SIGINT.

    Raises ``ConfigurationError`` where the address cannot be had or the token is missing or readable by others, and
    ``ReceiverRunningError`` where another receiver has the same runs.
    """
    logging.basicConfig(level=logging.INFO, format="trainwarden receiver: %(message)s")
    ended = threading.Event()
    worker = Worker(config, runs_root())
    with make_server(config, listen or config.receiver.listen, worker) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        worker.start()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"trainwarden receiver: listening on {server.url}", file=sys.stderr, flush=True)
        ended.wait()
        server.shutdown()
        worker.stop()


def make_server(config: Config, listen: str, worker: Worker) -> "Server":
    """A server that is bound and does not answer yet. Port 0 takes any that is free. Raises ``ConfigurationError``."""
    host, port = split_address(listen)
    token = read_token(config.receiver.token_file)
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"receiver.listen: {listen} can be reached from other machines, so the webhook needs a token: write one"
            " into a file (chmod 600) and name it as receiver.token_file, or listen on 127.0.0.1"
        )
    try:
        return Server((host, port), token, worker)
    except OSError as error:
        raise ConfigurationError(
            f"receiver.listen: cannot listen on {listen}: {error.strerror or error}; end what uses port {port}, or"
            " choose another with --web.listen-address HOST:PORT"
        ) from error


def read_token(file: str | None) -> bytes | None:
    """The bearer token, None where none is configured. Raises ``ConfigurationError``."""
    if file is None:
        return None
    try:
        with Path(file).open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            token = opened.read().strip()
    except OSError as error:
        raise ConfigurationError(f"receiver.token_file: {file}: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigurationError(f"receiver.token_file: {file} is open to others (mode {mode:o}): chmod 600 {file}")
    if not token:
        raise ConfigurationError(f"receiver.token_file: {file} is empty; write a long random token into it")
    return token


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address. An empty host is every interface."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def select(alert: Alert) -> Notice | Intake:
    """What the alert selects; or what becomes of it because it selects nothing here. Pure."""
    name, run = alert.labels.get("alertname", ""), alert.labels.get("run", "")
    generation = alert.labels.get("generation", "")
    if name not in RESTART_ALERTS:
        return Intake.IGNORED
    if not RUN_NAME.fullmatch(run):
        return Intake.FOREIGN
    if not _GENERATION.fullmatch(generation):
        return Intake.MALFORMED
    return Notice(
        alert=name,
        run=run,
        generation=int(generation),
        firing=alert.status == "firing",
        fingerprint=alert.fingerprint[:64],
        starts_at=alert.starts_at[:64],
    )


class Server(GuardedServer):
    """The webhook's server. ``token`` is None where only this machine can reach it."""

    def __init__(self, address: tuple[str, int], token: bytes | None, worker: Worker) -> None:
        self.token = token
        self.worker = worker
        self.tally = Tally()
        self.metrics = ReceiverMetrics(worker.desks, self.tally)
        super().__init__(address, _Handler, self.tally.request)

    def take_in(self, payload: Payload) -> HTTPStatus:
        """Take in every alert: 202 where one was accepted, 500 where one could not be written down."""
        answers = {self._take(alert) for alert in payload.alerts}
        # Alertmanager sends everything again after a 5xx; what was accepted is then a duplicate.
        order = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.ACCEPTED)
        return next((status for status in order if status in answers), HTTPStatus.OK)

    def _take(self, alert: Alert) -> HTTPStatus:
        selected = select(alert)
        try:
            intake = self.worker.take_in(selected) if isinstance(selected, Notice) else selected
        except TrainwardenError as error:
            log.error("an alert could not be entered, and will be sent again: %s", error)
            return HTTPStatus.INTERNAL_SERVER_ERROR
        self.tally.alert(intake)
        return HTTPStatus.ACCEPTED if intake is Intake.ACCEPTED else HTTPStatus.OK


_SENTENCES = {
    HTTPStatus.OK: "Nothing of this is to be acted on.",
    HTTPStatus.ACCEPTED: "Entered in the ledger; the run will be looked at.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Could not be entered in the ledger; send it again.",
}


class _Handler(GuardedHandler):
    """One request."""

    server: Server

    def route(self) -> None:
        """Answer by path and method."""
        routes: dict[str, tuple[str, Callable[[], None]]] = {
            "/alerts": ("POST", self._alerts),
            "/metrics": ("GET", self._metrics),
            "/-/healthy": ("GET", self._healthy),
            "/-/ready": ("GET", self._ready),
            "/": ("GET", self._landing),
        }
        path = self.path.partition("?")[0]
        if path not in routes:
            raise Refused(HTTPStatus.NOT_FOUND, "There is nothing here; Alertmanager posts to /alerts.")
        method, answer = routes[path]
        if self.command != method:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"Only {method} is answered here.", Allow=method)
        answer()

    def _alerts(self) -> None:
        self._authorise()
        body = self.read_body(MAX_BODY)
        try:
            payload = msgspec.json.decode(body, type=Payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"Not a version 4 payload of Alertmanager: {error}") from error
        status = self.server.take_in(payload)
        self.say(status, _SENTENCES[status])

    def _authorise(self) -> None:
        token = self.server.token
        kind, _, given = self.headers.get("Authorization", "").partition(" ")
        known = token is None or (kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token))
        if not known:
            refusal = {"WWW-Authenticate": "Bearer"}
            raise Refused(HTTPStatus.UNAUTHORIZED, "The bearer token is missing or wrong.", **refusal)

    def _metrics(self) -> None:
        content_type = textformat.negotiate(self.headers.get("Accept", ""))
        found = [*self.server.metrics.collect(), *process.families()]
        self.say(HTTPStatus.OK, textformat.write(found, content_type), content_type)

    def _healthy(self) -> None:
        self.say(HTTPStatus.OK, "trainwarden receiver is healthy.")

    def _ready(self) -> None:
        if not self.server.worker.alive:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The worker does not run.")
        self.say(HTTPStatus.OK, "trainwarden receiver is ready.")

    def _landing(self) -> None:
        page = _PAGE.format(runs=html.escape(str(runs_root())))
        self.say(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8")
