"""One question to a service, with a deadline, and one sentence where it fails."""

import os
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests

from trainwarden.deadline import Deadline, OverdueError
from trainwarden.errors import TrainwardenError

SECONDS = 5.0
"""For a whole answer; the exporter answers within one, and Prometheus' rules are some hundred KB."""

T = TypeVar("T")


class AskError(TrainwardenError):
    """A service does not answer, or not as itself: one sentence that names it and its address, and no secret."""

    def __init__(self, sentence: str, *, status: int | None = None, said: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        """The HTTP status, where it answered with one that is no success."""
        self.said = said
        """The first line of what it said with it."""


class Service:
    """What answers at ``url``: the service's base, or for our own two, which may lie elsewhere, their metrics page.

    ``title`` names it in errors. A user and password in the URL (``https://user:password@host``) are sent and never
    said. Certificates are held against the system's, or against the file that ``REQUESTS_CA_BUNDLE`` names.
    """

    def __init__(self, title: str, url: str, seconds: float = SECONDS) -> None:
        self.title = title
        self.url = url.rstrip("/")
        self._seconds = seconds

    @property
    def shown(self) -> str:
        """The address as it may be shown to anybody."""
        return without_secrets(self.url)

    def text(self, path: str = "", **parameters: str) -> str:
        """The body of the answer to a GET. Raises ``AskError``."""
        return self._ask("GET", path, params=parameters)

    def post(self, path: str, body: Any, token: str | None) -> str:
        """The body of the answer to a POST of ``body`` as JSON, with a bearer token or none. Raises ``AskError``."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self._ask("POST", path, json=body, headers=headers)

    def _ask(self, method: str, path: str, **sent: Any) -> str:
        # A timeout of requests is for each read: what trickles would be waited for without end.
        deadline: Deadline[requests.Response] = Deadline(self.title, self._seconds)
        try:
            answer = deadline.run(partial(self._send, method, path, sent))
        except OverdueError:
            raise AskError(f"{self.title} does not answer within {self._seconds:g} s at {self.shown}") from None
        except (requests.RequestException, ValueError) as error:
            raise AskError(f"{self.title} does not answer at {self.shown}: {_reason(error)}") from None
        if not answer.ok:
            said = _first_line(answer)
            sentence = f"{self.title} answers {answer.status_code} at {self.shown}{path}{said and f': {said}'}"
            raise AskError(sentence, status=answer.status_code, said=said)
        return answer.text

    def json(self, path: str, shape: type[T], **parameters: str) -> T:
        """The body of the answer as ``shape``. Raises ``AskError``, also for what another service would say."""
        try:
            return msgspec.json.decode(self.text(path, **parameters), type=shape)
        except msgspec.MsgspecError as error:
            raise self.stranger(str(error)) from None

    def stranger(self, why: str) -> AskError:
        """What to say where an answer is not one of this service's."""
        return AskError(f"what answers at {self.shown} does not speak as {self.title} does: {why}")

    def _send(self, method: str, path: str, sent: dict[str, Any]) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy of the environment does not know this machine
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
            return session.request(method, self.url + path, timeout=self._seconds, **sent)


def without_secrets(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _first_line(answer: requests.Response) -> str:
    """Its own words: Prometheus and Grafana wrap them in JSON."""
    text = answer.text.strip()
    try:
        told = msgspec.json.decode(text, type=dict[str, Any])
        text = str(told.get("error") or told.get("message") or text)
    except msgspec.MsgspecError:
        pass  # plain text
    lines = text.splitlines()
    return lines[0][:200] if lines else ""


def _reason(error: Exception) -> str:
    """What the system said; requests wraps it in five layers of objects' addresses."""
    cause: Any = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__ or next((a for a in cause.args if isinstance(a, Exception)), None)
    return type(error).__name__
