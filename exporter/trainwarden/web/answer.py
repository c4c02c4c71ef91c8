"""What a request is answered with, and how that looks on the wire."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

PLAIN = "text/plain; charset=utf-8"

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}


class Answer(NamedTuple):
    """A status, a body and its content type, and further headers."""

    status: int
    body: bytes
    kind: str = PLAIN
    headers: Mapping[str, str] = {}

    def on_the_wire(self, *, whole: bool, lasting: bool) -> bytes:
        """As bytes: without the body where the answer is to HEAD (not ``whole``), announcing whether more may follow.

        One piece: two would cost a system call and a packet more.
        """
        status = HTTPStatus(self.status)
        named = {
            "Server": "trainwarden",  # and no version: that concerns nobody
            "Date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            "Content-Type": self.kind,
            "Content-Length": str(len(self.body)),
            "Connection": "keep-alive" if lasting else "close",
            **self.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        text = f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode("latin-1")
        return text + self.body if whole else text


def sentence(status: int, said: str, **headers: str) -> Answer:
    """One sentence for a person; ``WWW_Authenticate="Basic"`` and the like are further headers."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, f"{said}\n".encode(), headers=named)


def page(title: str, *paragraphs: str) -> Answer:
    """A small page for whoever opens the address in a browser; the paragraphs are HTML."""
    said = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
{said}
</body></html>
"""
    return Answer(HTTPStatus.OK, text.encode(), "text/html; charset=utf-8")


def escaped(text: str) -> str:
    """As HTML shows it. (The standard library's module would bring a table of 2,000 names.)"""
    return "".join(_ESCAPES.get(letter, letter) for letter in text)


class Refused(Exception):  # noqa: N818  (an answer, not a fault)
    """The request is answered with this status and sentence."""

    def __init__(self, status: HTTPStatus, said: str, **headers: str) -> None:
        super().__init__(said)
        self.answer = sentence(status, said, **headers)
