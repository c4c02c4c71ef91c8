"""The counting bar, drawn again and again: nearly all that a training prints.

Its drawings differ in the count and in what stands behind it. Once one was read in full, the next are known by their
bytes, which is ten times cheaper than to read them: a log of a whole night is followed from its beginning in seconds.
"""

import re
from typing import NamedTuple

from trainwarden.runs.bars import Bar

# Shorter than what ``bars.read_bar`` looks at, so that both read the same.
_DRAWING = rb" *\d{1,3}%%\|[^|]{0,700}\| (\d{1,12})/%b \[([^\]]{0,200})\] *"
_FIRST = re.compile(rb"([^|%\x1b]{0,100}?)" + _DRAWING % rb"(\d{1,12})")
_N, _CAPITAL_N, _E = b"nNe"
# Looked for only where one of these letters stands: a search costs as much as all the rest.
_DOUBT = re.compile(rb"nan|inf|e\+?\d{3}", re.IGNORECASE)

_BLOCK = 128
"""Lines that are searched at once for nothing but redraws: one other among them costs its block a search in vain."""


class Redraws(NamedTuple):
    """Drawings that follow each other, of which only the newest matters: the steps before it are counted by it."""

    first: int
    """The count of the first of them."""
    newest: int
    counts: int
    """How many different ones there are; 0 where no line was such a drawing."""
    stats: bytes
    """What stands behind the newest."""
    lines: int
    """How many lines they are."""

    def followed_by(self, others: "Redraws") -> "Redraws":
        """These and others, which come next."""
        if not (self.counts and others.counts):
            return self if self.counts else others
        counts = self.counts + others.counts - (others.first == self.newest)
        return Redraws(self.first, others.newest, counts, others.stats, self.lines + others.lines)


class Drawing(NamedTuple):
    """How the counting bar is drawn."""

    pattern: re.Pattern[bytes]
    in_block: re.Pattern[bytes]
    """The same for each of many lines."""
    total: int

    def read(self, lines: list[bytes], begin: int, count: int) -> Redraws:
        """The redraws from ``count`` on with which ``lines`` go on from ``begin`` on.

        They end before another line, a full bar, one that goes back, and a loss that may be no finite number: those
        are for ``read_bar``.
        """
        found = Redraws(count, count, 0, b"", 0)
        for start in range(begin, len(lines), _BLOCK):  # hot: a night's log has millions
            block = lines[start : start + _BLOCK]
            more = self._read_whole(block, found.newest) or self._read_each(block, found.newest)
            found = found.followed_by(more)
            if more.lines < len(block):
                break
        return found

    def _read_whole(self, lines: list[bytes], count: int) -> Redraws | None:
        """Every line is a redraw; None where one is not. One search through many costs half of a search a line."""
        # Each match is a whole line at least, so as many matches as lines are one a line.
        found = self.in_block.findall(b"\n".join(lines))
        if len(found) != len(lines):
            return None
        texts, stats = zip(*found, strict=True)
        numbers = [count, *map(int, texts)]
        if numbers[-1] >= self.total or sorted(numbers) != numbers or _may_be_no_number(b"\n".join(stats)):
            return None
        return Redraws(numbers[1], numbers[-1], len(set(numbers[1:])), stats[-1], len(lines))

    def _read_each(self, lines: list[bytes], count: int) -> Redraws:
        first, newest, counts, text, stats, taken = count, count, 0, b"", b"", 0
        fullmatch, total = self.pattern.fullmatch, self.total
        for line in lines:
            match = fullmatch(line)
            if match is None:
                break
            text_now, stats_now = match.groups()
            if _may_be_no_number(stats_now):
                break
            if text_now != text:
                n = int(text_now)
                if not newest <= n < total:
                    break
                first = first if counts else n
                newest, counts, text = n, counts + 1, text_now
            stats = stats_now
            taken += 1
        return Redraws(first, newest, counts, stats, taken)


def drawing_of(line: bytes, bar: Bar) -> Drawing | None:
    """How ``bar`` is drawn that was read from ``line``; None where something else stands in the line too."""
    match = _FIRST.fullmatch(line)
    if match is None or bar.nested:
        return None
    label, _, total, _ = match.groups()
    pattern = re.escape(label) + _DRAWING % total
    return Drawing(re.compile(pattern), re.compile(b"(?m)^%b$" % pattern), bar.total)


def _may_be_no_number(stats: bytes) -> bool:
    return (_N in stats or _CAPITAL_N in stats or _E in stats) and _DOUBT.search(stats) is not None
