"""A small client of the Docker Engine's HTTP API over its Unix socket: what the engine for containers needs.

Paths carry no version, so that the daemon answers as its newest API does; only fields are read that have been there
since 1.24 (2016).
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launching import DOCKER_SOCKET

_SECONDS = 20.0
"""For one answer. Creating and starting a container take the longest; a pull is never asked for."""


class DockerError(TrainwardenError):
    """The daemon says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"Docker: {message}")
        self.status = status
        """Of HTTP: 404 for what does not exist, 409 for what is in no state for that."""


class DockerApi:
    """One daemon. Every call opens a connection of its own; all raise ``TrainwardenError`` where nobody answers."""

    def __init__(self, path: str | None = None) -> None:
        """``path``: of the socket; by default what ``DOCKER_HOST`` names, else Docker's own."""
        self.path = path or _default_path()

    def get(self, path: str, **query: str) -> bytes:
        """The body of a 2xx answer. Raises ``DockerError``."""
        return self._ask("GET", path, None, query)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> bytes:
        """As ``get``; 304, which says that it is so already, is an answer, too."""
        return self._ask("POST", path, body, query)

    def stream(self, path: str, **query: str) -> socket.socket:
        """A socket that gives the bare body of an answer without end, for as long as the daemon sends.

        Asked for by HTTP/1.0, whose bodies come without chunks around them and can so be read without waiting.
        """
        connection = self._connect()
        try:
            connection.sendall(f"GET {_target(path, query)} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            head = _read_head(connection)
            status = int(head.split(b" ", 2)[1])
            if status != 200:
                raise DockerError(status, _words(connection.recv(65536)))
        except (OSError, ValueError, IndexError) as error:
            connection.close()
            raise self._silent(error) from error
        except DockerError:
            connection.close()
            raise
        return connection

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> bytes:
        connection = http.client.HTTPConnection("docker")
        try:
            connection.sock = self._connect()
            sent = None if body is None else json.dumps(body)
            connection.request(method, _target(path, query), sent, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise DockerError(answer.status, _words(said))
        return said

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SECONDS)
        try:
            connection.connect(self.path)
        except OSError as error:
            connection.close()
            raise self._silent(error) from error
        return connection

    def _silent(self, error: Exception) -> TrainwardenError:
        mend = "is its daemon running?"
        if isinstance(error, PermissionError):
            mend = "this user may not speak to it (group docker)"
        return TrainwardenError(f"Docker does not answer at {self.path} ({type(error).__name__}); {mend}")


def filters(**wanted: list[str]) -> str:
    """The API's ``filters``: every key must match, by any of its values; labels by all."""
    return json.dumps(wanted)


def _default_path() -> str:
    host = os.environ.get("DOCKER_HOST", "")
    if not host:
        return DOCKER_SOCKET
    if not host.startswith("unix://"):
        raise RefusedError(f"DOCKER_HOST={host}: containers are launched over a Unix socket only (unix:///PATH)")
    return host.removeprefix("unix://")


def _target(path: str, query: Mapping[str, str]) -> str:
    return quote(path) + ("?" + urlencode(query) if query else "")


def _read_head(connection: socket.socket) -> bytes:
    """Status line and headers, byte by byte: what stands behind them is the caller's."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte or len(head) > 65536:
            raise ValueError("no HTTP head")
        head += byte
    return head


def _words(said: bytes) -> str:
    """The sentence of a refusal."""
    try:
        return str(json.loads(said)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return said.decode(errors="replace").strip() or "it gives no reason"
