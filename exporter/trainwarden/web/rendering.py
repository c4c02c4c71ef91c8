"""One reading of metrics, and its text in each form that was asked for."""

import threading
import zlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from trainwarden import textformat
from trainwarden.series import Series
from trainwarden.web import negotiation
from trainwarden.web.answer import Answer

_GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls gzip's format."""
_LEVEL = 1
"""On metrics the next levels save a tenth of the bytes for up to twice the time."""


class Rendered:
    """A reading; each form of its text is made once, however many ask."""

    def __init__(self, series: Iterable[Series]) -> None:
        self.series = tuple(series)
        self._lock = threading.Lock()
        self._forms: dict[tuple[str, bool], bytes] = {}

    def answer(self, headers: Mapping[str, str]) -> Answer:
        """The form that a request's headers ask for."""
        kind = negotiation.content_type(headers.get("accept", ""))
        compressed = negotiation.takes_gzip(headers.get("accept-encoding", ""))
        described = {"Vary": "Accept, Accept-Encoding"}
        if compressed:
            described["Content-Encoding"] = "gzip"
        with self._lock:
            return Answer(HTTPStatus.OK, self._form(kind, compressed), kind, described)

    def _form(self, kind: str, compressed: bool) -> bytes:
        form = kind, compressed
        if form not in self._forms:
            self._forms[form] = _gzip(self._form(kind, False)) if compressed else textformat.write(self.series, kind)
        return self._forms[form]


def _gzip(text: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return compressor.compress(text) + compressor.flush()
