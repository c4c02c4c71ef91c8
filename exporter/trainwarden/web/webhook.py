"""The receiver's HTTP edge: Alertmanager's webhook, its own ``/metrics``, and nothing that anybody could misuse.

``POST /alerts`` takes version 4 of Alertmanager's payload. What it accepts is on the disk before it answers 202; the
work is done by ``restart.worker``. No text of an alert reaches a path, a shell or a log.
"""

import hmac
import ipaddress
import logging
import os
import re
import stat
from collections.abc import Mapping, Sequence, Set
from http import HTTPStatus
from typing import Literal

import msgspec
from msgspec import Struct, field

from trainwarden.collectors import process
from trainwarden.config import Config, ReceiverConfig, absolute, split_address
from trainwarden.errors import ConfigurationError, TrainwardenError
from trainwarden.model import UNDECODABLE
from trainwarden.names import RESTART_ALERTS, RUN_NAME
from trainwarden.restart.intake import About, Notice
from trainwarden.restart.metrics import ReceiverMetrics, Tally
from trainwarden.restart.states import Intake
from trainwarden.restart.worker import Worker
from trainwarden.runs.folder import runs_root
from trainwarden.web.answer import Answer, Refused, escaped, page, sentence
from trainwarden.web.protection import Protection
from trainwarden.web.relay import Relay, destinations
from trainwarden.web.rendering import Rendered
from trainwarden.web.request import Request
from trainwarden.web.server import Server, serve_until_told
from trainwarden.web.site import Page, Requests, Site, metrics_page

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024

_CODES = (200, 202, 400, 401, 404, 405, 408, 411, 413, 500, 502, 503)
"""Every status that Alertmanager, or who plays it, is usually answered with."""

_GENERATION = re.compile(r"[1-9][0-9]{0,8}")


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


_PAYLOAD = msgspec.json.Decoder(Payload)


def serve(config: Config, listen: Sequence[str] = ()) -> None:
    """Answer and work until SIGTERM or SIGINT.

    Raises ``ListenError`` where the address cannot be had, ``ConfigurationError`` where the token is missing or
    readable by others, and ``ReceiverRunningError`` where another receiver has the same runs.
    """
    logging.basicConfig(level=logging.INFO, format="trainwarden receiver: %(message)s")
    worker = Worker(config, runs_root())
    with make_server(config, worker, listen) as server:
        worker.start()
        serve_until_told(server, "trainwarden receiver")
    worker.stop()


def make_server(config: Config, worker: Worker, listen: Sequence[str] = ()) -> Server:
    """A server that is bound (by default where the configuration says) and does not answer yet.

    Raises ``ConfigurationError`` and ``ListenError``.
    """
    addresses = listen or (config.receiver.listen,)
    token = read_token(config.receiver.token_file)
    for address in addresses:
        if token is None and not is_loopback(split_address(address)[0]):
            raise ConfigurationError(
                f"receiver.listen: {address} can be reached from other machines, so the webhook needs a token: write"
                " one into a file (chmod 600) and name it as receiver.token_file, or listen on 127.0.0.1"
            )
    relays = {path: Relay(to) for path, to in destinations(config.notify).items()}
    return Server(addresses, ReceiverPages(config.receiver, token, worker, relays).site())


def read_token(named: str | None) -> bytes | None:
    """The bearer token, None where no file of it is configured. Raises ``ConfigurationError``."""
    if named is None:
        return None
    file = absolute(named)
    try:
        with file.open("rb") as opened:
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


_SENTENCES = {
    HTTPStatus.OK: "Nothing of this is to be acted on.",
    HTTPStatus.ACCEPTED: "Entered in the ledger; the run will be looked at.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Could not be entered in the ledger; send it again.",
}


class ReceiverPages:
    """What the receiver answers. ``token`` is None where only this machine can reach it."""

    def __init__(
        self, settings: ReceiverConfig, token: bytes | None, worker: Worker, relays: Mapping[str, Relay]
    ) -> None:
        self._settings = settings
        self._token = token
        self._worker = worker
        self._relays = relays
        self._tally = Tally()
        self._metrics_of = ReceiverMetrics(worker.desks, self._tally)
        self._requests = Requests(_CODES)

    def site(self) -> Site:
        """The pages behind what the web configuration asks for. Raises ``ConfigurationError``."""
        # With a token it asks for no user: both would stand in the same header.
        known = self._token is not None
        pages = {
            "/alerts": Page(self._alerts, "POST", knows_its_clients=known),
            "/-/healthy": Page(lambda _: sentence(HTTPStatus.OK, "trainwarden receiver is healthy.")),
            "/-/ready": Page(self._ready),
            "/": Page(self._landing),
            **{path: Page(self._relayed, "POST", knows_its_clients=known) for path in self._relays},
        }
        pages |= metrics_page("receiver", self._settings.telemetry_path, self._metrics, pages)
        otherwise = "There is nothing here; Alertmanager posts to /alerts."
        return Site(pages, Protection(self._settings.web_config_file), self._requests.count, otherwise)

    def _alerts(self, request: Request) -> Answer:
        self._authorise(request)
        body = request.read_body(MAX_BODY)
        try:
            payload = _PAYLOAD.decode(body)
        except UNDECODABLE as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"Not a version 4 payload of Alertmanager: {error}") from error
        status = self._take_in(payload)
        return sentence(status, _SENTENCES[status])

    def _relayed(self, request: Request) -> Answer:
        self._authorise(request)
        return self._relays[request.path].pass_on(request.read_body(MAX_BODY))

    def _authorise(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        given_token = given.strip().encode()
        if self._token is None or (kind.lower() == "bearer" and hmac.compare_digest(given_token, self._token)):
            return
        raise Refused(HTTPStatus.UNAUTHORIZED, "The bearer token is missing or wrong.", WWW_Authenticate="Bearer")

    def _take_in(self, payload: Payload) -> HTTPStatus:
        """Take in every alert: 202 where one was accepted, 500 where one could not be written down."""
        selected = [select(alert) for alert in payload.alerts]
        standing = {one.about for one in selected if isinstance(one, Notice) and one.firing}
        answers = {self._take(one, standing) for one in selected}
        # Alertmanager sends everything again after a 5xx; what was accepted is then a duplicate.
        order = (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.ACCEPTED)
        return next((status for status in order if status in answers), HTTPStatus.OK)

    def _take(self, selected: Notice | Intake, standing: Set[About]) -> HTTPStatus:
        try:
            intake = self._judge(selected, standing)
        except TrainwardenError as error:
            log.error("an alert could not be entered, and will be sent again: %s", error)
            return HTTPStatus.INTERNAL_SERVER_ERROR
        self._tally.alert(intake)
        return HTTPStatus.ACCEPTED if intake is Intake.ACCEPTED else HTTPStatus.OK

    def _judge(self, selected: Notice | Intake, standing: Set[About]) -> Intake:
        if isinstance(selected, Intake):
            return selected
        if not selected.firing and selected.about in standing:
            return Intake.RESOLVED  # the same message says that it stands: what is open for it stays open
        return self._worker.take_in(selected)

    def _metrics(self, request: Request) -> Answer:
        series = (*self._metrics_of.collect(), *process.families(), self._requests.series())
        return Rendered(series).answer(request.headers)

    def _ready(self, _: Request) -> Answer:
        if not self._worker.alive:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "The worker does not run.")
        return sentence(HTTPStatus.OK, "trainwarden receiver is ready.")

    def _landing(self, _: Request) -> Answer:
        path, runs = (escaped(text) for text in (self._settings.telemetry_path.removeprefix("/"), str(runs_root())))
        return page(
            "trainwarden receiver",
            "Takes Alertmanager's webhooks at <code>POST /alerts</code> and restarts stuck runs, safely."
            f' What it does and did: <a href="{path}">metrics</a>',
            f"The runs, each with its <code>ledger.jsonl</code>: <code>{runs}</code>",
        )
