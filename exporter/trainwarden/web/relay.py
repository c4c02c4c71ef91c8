"""Passes a message of Alertmanager's on to an address that is itself a secret.

Alertmanager before 0.26 takes such an address only in its configuration, from where it reaches its page and its log.
So the receiver, which it knows already, reads the address from its file and passes the message on, unchanged, within
the request: what does not arrive is refused, and Alertmanager tries again and counts it.
"""

import logging
from http import HTTPStatus
from typing import NamedTuple

import requests

from trainwarden.config import NotifyConfig, absolute, check_url
from trainwarden.errors import ConfigurationError
from trainwarden.web.answer import Answer, Refused, sentence

log = logging.getLogger(__name__)

TIMEOUT = (3.0, 5.0)
"""Seconds for the connection and for the answer: less than Alertmanager waits (10 s at least)."""


class Destination(NamedTuple):
    """Where messages are passed on to, by the files that hold the secrets."""

    key: str
    """Of the configuration."""
    url_file: str
    token_file: str | None = None


class Relay:
    """One destination. The files are read at every message, so a changed secret needs no restart."""

    def __init__(self, destination: Destination) -> None:
        self._to = destination
        self._fails = False

    def pass_on(self, body: bytes) -> Answer:
        """Say that it arrived. Raises ``Refused`` where it did not, and logs it once; neither names the address."""
        trouble = self._post(body)
        if trouble and not self._fails:
            log.error("%s: %s", self._to.key, trouble)
        if self._fails and not trouble:
            log.info("%s: messages arrive again", self._to.key)
        self._fails = trouble is not None
        if trouble:
            raise Refused(HTTPStatus.BAD_GATEWAY, f"Not passed on: {trouble}.")
        return sentence(HTTPStatus.OK, "Passed on.")

    def _post(self, body: bytes) -> str | None:
        """What went wrong, in words without the address; None where it was taken."""
        try:
            url = _secret(self._to.url_file)
            check_url(url, self._to.url_file)
            token = _secret(self._to.token_file) if self._to.token_file else None
            headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
            answer = requests.post(url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:  # before OSError, which it is: its text holds the address
            return f"the address cannot be reached ({type(error).__name__})"
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        except ConfigurationError as error:
            return str(error)
        return None if answer.ok and not answer.is_redirect else f"the address answered {answer.status_code}"


def destinations(notify: NotifyConfig) -> dict[str, Destination]:
    """Where messages are passed on to, by the path at which they come in."""
    found = {}
    if notify.heartbeat_url_file:
        found["/relay/heartbeat"] = Destination("notify.heartbeat_url_file", notify.heartbeat_url_file)
    if notify.webhook and notify.webhook.url_file:
        files = notify.webhook.url_file, notify.webhook.token_file
        found["/relay/webhook"] = Destination("notify.webhook.url_file", *files)
    return found


def _secret(file: str) -> str:
    return absolute(file).read_text().strip()
