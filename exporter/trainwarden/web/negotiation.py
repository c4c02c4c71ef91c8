"""What a client says that it takes: which of the two formats of metrics, and whether compressed.

Clients send the same words with every scrape, so what they mean is remembered.
"""

from collections.abc import Iterator
from functools import lru_cache

from trainwarden.textformat import OPENMETRICS, TEXT


@lru_cache(maxsize=16)
def content_type(accept: str) -> str:
    """The content type to answer with, for an Accept header: OpenMetrics where it is liked no less than the text."""
    liked = {TEXT: 0.0, OPENMETRICS: 0.0}
    for media, parameters, quality in _ranges(accept):
        if media == "text/plain":
            liked[TEXT] = max(liked[TEXT], quality)
        if media == "application/openmetrics-text" and parameters.get("version", "1.0.0") == "1.0.0":
            liked[OPENMETRICS] = max(liked[OPENMETRICS], quality)
    return OPENMETRICS if liked[OPENMETRICS] > 0 and liked[OPENMETRICS] >= liked[TEXT] else TEXT


@lru_cache(maxsize=16)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether the client takes gzip, for an Accept-Encoding header."""
    liked = {coding: quality for coding, _, quality in _ranges(accept_encoding)}
    return liked.get("gzip", liked.get("*", 0.0)) > 0


def _ranges(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """What stands between the commas: name, parameters, and quality (0: not wanted)."""
    for part in header.lower().split(","):
        name, *rest = (piece.strip() for piece in part.split(";"))
        parameters = {key.strip(): value.strip() for key, _, value in (piece.partition("=") for piece in rest)}
        yield name, parameters, _quality(parameters.get("q", "1"))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
