"""The counting bar, drawn again and again: nearly all that a training prints.

Its drawings differ in the count and in what stands behind it. Once one was read in full, the next are known by their
bytes, which is ten times cheaper than to read them: a log of a whole night is followed from its beginning in seconds.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from trainwarden.runs.bars import Bar

# Shorter than what ``bars.read_bar`` looks at, so that both read the same.
_DRAWING = rb" *\d{1,3}%%\|[^|]{0,700}\| (\d{1,12})/%b \[([^\]]{0,200})\] *"
_FIRST = re.compile(rb"([^|%\x1b]{0,100}?)" + _DRAWING % rb"(\d{1,12})")
_N, _CAPITAL_N, _E = b"nNe"
# Looked for only where one of these letters stands: a search costs as much as all the rest.
_DOUBT = re.compile(rb"nan|inf|e\+?\d{3}", re.IGNORECASE)


class Redraws(NamedTuple):
    """Drawings that follow each other, of which only the newest matters: the steps before it are counted by it."""

    first: int
    """The count of the first of them."""
    newest: int
    counts: int
    """How many different ones there are; 0 where no line was such a drawing."""
    stats: bytes
    """What stands behind the newest."""
    after: bytes | None
    """The line that follows them; None where they are the last."""


class Drawing(NamedTuple):
    """How the counting bar is drawn."""

    pattern: re.Pattern[bytes]
    total: int

    def read(self, lines: Iterator[bytes], count: int) -> Redraws:
        """Take the redraws from ``count`` on that ``lines`` begin with, and the line after them.

        They end before another line, a full bar, one that goes back, and a loss that may be no finite number: those
        are for ``read_bar``.
        """
        first, newest, counts, text, stats = count, count, 0, b"", b""
        fullmatch, total = self.pattern.fullmatch, self.total
        for line in lines:  # hot: a night's log has millions
            match = fullmatch(line)
            if match is None:
                break
            text_now, stats_now = match.groups()
            if (_N in stats_now or _CAPITAL_N in stats_now or _E in stats_now) and _DOUBT.search(stats_now):
                break
            if text_now != text:
                n = int(text_now)
                if not newest <= n < total:
                    break
                first = first if counts else n
                newest, counts, text = n, counts + 1, text_now
            stats = stats_now
        else:
            return Redraws(first, newest, counts, stats, None)
        return Redraws(first, newest, counts, stats, line)


def drawing_of(line: bytes, bar: Bar) -> Drawing | None:
    """How ``bar`` is drawn that was read from ``line``; None where something else stands in the line too."""
    match = _FIRST.fullmatch(line)
    if match is None or bar.nested:
        return None
    label, _, total, _ = match.groups()
    return Drawing(re.compile(re.escape(label) + _DRAWING % total), bar.total)
