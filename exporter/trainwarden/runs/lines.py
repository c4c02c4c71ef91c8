"""Bytes of a terminal → the lines that a training printed, and what a reader of them would see, without the paint.

A line ends at a line feed or at a carriage return: the latter is how a progress bar draws itself anew. Escape
sequences (colours, cursor movement, the links that ``rich`` prints) are removed by ``clean``, which only the lines
that are read need: most of a training's output is a bar drawn again and again.
"""

import re

MAX_LINE = 64 * 1024
"""Bytes of a line that are kept. The rest of a longer one is dropped, so that memory stays bounded."""

_MAX_UNFINISHED = 4096
"""Bytes up to which an unfinished line is worth a look: a bar is as long as a terminal is wide."""

# ECMA-48: control sequences (CSI), strings up to a terminator (OSC, as in OSC 8 links; DCS, SOS, PM, APC), and
# the short ones. What is never terminated goes as far as it is understood.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])?"
)


def clean(raw: bytes) -> str:
    """The visible text of ``raw``: escape sequences removed, what is not UTF-8 replaced."""
    return _ESCAPES.sub(b"", raw).decode("utf-8", "replace")


def last_line(raw: bytes) -> str:
    """The last line that shows anything, without the paint; of a bar that is drawn again and again, how it stands."""
    lines = clean(raw).replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class LineSplitter:
    """Cuts a stream into lines, wherever its chunks are cut. ``position`` is where a new splitter can go on."""

    def __init__(self, position: int = 0) -> None:
        self.position = position
        """Bytes of the stream up to the end of the last whole line."""
        self._rest = b""
        self._dropping = False

    @property
    def unfinished(self) -> bytes:
        """The line that has no end yet. A bar has none until it is drawn again, and that is when a hang begins."""
        return self._rest if len(self._rest) <= _MAX_UNFINISHED else b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` ends, empty ones left out, as they were printed."""
        known = self.position + len(self._rest)
        *ended, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        if ended and self._dropping:
            self._dropping = False
            ended[0] = b""
        lines = list(filter(None, ended))
        if len(max(lines, key=len, default=b"")) > MAX_LINE:
            lines = [line[:MAX_LINE] for line in lines]
        if self._dropping:
            rest = b""
        elif len(rest) > MAX_LINE:
            lines.append(rest[:MAX_LINE])
            self._dropping, rest = True, b""
        self._rest = rest
        self.position = known + len(data) - len(rest)
        return lines

    def finish(self) -> bytes:
        """The stream is over: what its last line holds."""
        last, self._rest = self._rest, b""
        self.position += len(last)
        return last
