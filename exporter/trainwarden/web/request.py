"""Reading a request of HTTP/1, strictly: whatever a proxy before us could read otherwise is refused.

Written here and not taken from http.server: that parser brings the mail package and OpenSSL into every exporter's
memory, and costs a scrape more than writing its answer.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

from trainwarden.web.answer import Refused

MAX_LINE = 8192
"""Bytes of the request line."""
MAX_HEAD = 32768
"""Bytes of the request line and all headers together."""
MAX_HEADERS = 100

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([\x21-\x7e]+) HTTP/1\.([01])" % _TOKEN)
_NAME = re.compile(_TOKEN)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ONCE = frozenset({"authorization", "content-length", "host", "transfer-encoding"})
"""Headers that mean nothing, or something else to everyone, where they come twice."""


class Head(NamedTuple):
    """A request's first line and headers."""

    method: str
    path: str
    """Without the query."""
    minor: int
    """1 for HTTP/1.1."""
    headers: dict[str, str]
    """By lower-case name."""


class More(Exception):  # noqa: N818  (a matter of time, not a fault)
    """The body is not whole yet. Whoever answers is asked anew when ``length`` bytes of it are there."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


class Request:
    """One request; its body is taken only where somebody asks for it."""

    def __init__(self, head: Head, received: bytearray) -> None:
        """``received`` holds what has come behind the head; more is added to it."""
        self.method = head.method
        self.path = head.path
        self.headers = head.headers
        self._minor = head.minor
        self._received = received
        self._unread = head.headers.get("content-length", "0") != "0" or "transfer-encoding" in head.headers

    @property
    def lasting(self) -> bool:
        """Whether another request may follow: the client wants that, and nothing of this one is left unread."""
        asked = self.headers.get("connection", "").lower()
        return self._minor == 1 and "close" not in asked and not self._unread

    @property
    def waits_to_go_on(self) -> bool:
        """Whether the client wants to be told that its body will be read."""
        return self.headers.get("expect", "").lower() == "100-continue"

    def read_body(self, limit: int) -> bytes:
        """The whole body, refused before it is read where it says that it is longer than ``limit`` bytes.

        Raises ``Refused``, and ``More`` where it is not there yet: ask who it is before, and do nothing else.
        """
        length = _length(self.headers, limit)
        if len(self._received) < length:
            raise More(length)
        body = bytes(self._received[:length])
        del self._received[:length]
        self._unread = False
        return body


def take(received: bytearray) -> Request | None:
    """Take the next request's head off what has come; None where it is not whole yet. Raises ``Refused``."""
    end = received.find(b"\r\n\r\n")
    _check_size(received if end < 0 else received[:end])
    if end < 0:
        return None
    head = bytes(received[:end])
    del received[: end + 4]
    return Request(parse(head), received)


def cut_short() -> Refused:
    """What is answered where the client ended amid a head."""
    return _bad_request()


def parse(head: bytes) -> Head:
    """Read a request's head, without the empty line that ends it. Pure. Raises ``Refused``, and nothing else."""
    first, *lines = head.split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        raise _bad_request()
    if len(lines) > MAX_HEADERS:
        raise _too_large()
    method, target, minor = found.groups()
    path = target.decode("ascii").partition("?")[0]
    return Head(method.decode("ascii"), path, int(minor), _headers(lines))


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, value = _header(line)
        if name in headers and name in _ONCE:
            raise _bad_request()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
        raise _bad_request()
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def _length(headers: dict[str, str], limit: int) -> int:
    length = headers.get("content-length")
    if length is None or "transfer-encoding" in headers:
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "Send the body with its Content-Length.")
    if not (length.isascii() and length.isdecimal()):
        raise Refused(HTTPStatus.BAD_REQUEST, "The Content-Length is not a number.")
    if len(length) > len(str(limit)) or int(length) > limit:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may hold {limit} bytes at most.")
    return int(length)


def _check_size(received: bytes | bytearray) -> None:
    line = received.find(b"\r\n")
    if (line if line >= 0 else len(received)) > MAX_LINE:
        raise Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"The request line may hold {MAX_LINE} bytes at most.")
    if len(received) > MAX_HEAD and received.find(b"\r\n\r\n", 0, MAX_HEAD) < 0:
        raise _too_large()
    if not received[:1].isalpha() and received:
        raise _bad_request()  # at once: a client that speaks TLS to us would wait for the end of the line


def _too_large() -> Refused:
    sentence = f"The headers may be {MAX_HEADERS}, and hold {MAX_HEAD} bytes at most."
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)


def _bad_request() -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "Not a request of HTTP/1.")
