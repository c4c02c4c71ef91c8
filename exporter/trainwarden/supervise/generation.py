"""One launch of the training, followed by what it prints."""

import time
from contextlib import suppress
from typing import BinaryIO

from msgspec import structs

from trainwarden.checkpoints.base import Recipe
from trainwarden.errors import RunFolderError
from trainwarden.model import Progress, Resume
from trainwarden.runs.faults import named_signal
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.follow import Follower
from trainwarden.runs.lines import last_line
from trainwarden.runs.tail import last_bytes
from trainwarden.supervise.arrivals import Arrivals
from trainwarden.supervise.kept import Kept

_CHUNK = 256 * 1024
WRITE_SECONDS = 0.9
"""How often progress is written that only goes on: at each of the supervisor's beats, which clocks measure a little
differently. A change of what the training does is written at once."""
_TAIL = 64 * 1024
"""How much of the end of the output is read for a signal that a launcher names."""
READ_SECONDS = 0.5
LAST_READ_SECONDS = 5.0
"""How long the output is read at one look, and at the last one. A training that prints faster than its lines are
understood must not keep its supervisor from beating, nor from stopping it."""
FAR_BEHIND = 256 * 1024 * 1024
"""Bytes unread beyond which all but the end is passed over; a night of progress bars makes some 30 MB."""


class Generation:
    """Follows ``output.<generation>.log`` into ``progress/output-0.json``.

    ``resumed`` is from where this launch goes on; where nobody knows, the command is asked. ``arrivals`` tells when
    each piece came; without it, that is when it is read.
    """

    def __init__(
        self,
        folder: RunFolder,
        kept: Kept,
        recipe: Recipe,
        resumed: Resume | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self.number = kept.generation
        self.started_at = kept.started_at
        self.resumed = resumed or recipe.resumed_from(kept.argv)
        self._folder = folder
        self._path = folder.output_path(kept.generation)
        self._arrivals = arrivals
        self._follower = _follower(kept, self.resumed, _former_progress(folder))
        self._offset = self._follower.progress().position
        self._file: BinaryIO | None = None
        self._nothing_left_at = kept.started_at
        self.caught_up = False
        """Whether the last look left nothing unread."""
        self._unwritten = True
        self._written_at = 0.0
        self._told: tuple[object, ...] = ()

    def follow(self, now: float, seconds: float = READ_SECONDS) -> None:
        """Read what was printed since the last time, for so long; write the progress where there was any."""
        self.caught_up = self._read_on(now, time.monotonic() + seconds)
        if self.caught_up:
            self._nothing_left_at = now
        if self._unwritten and (self._follower.news != self._told or abs(now - self._written_at) >= WRITE_SECONDS):
            self._write(now)

    def _read_on(self, now: float, until: float) -> bool:
        """Read until nothing is left (True), or until this moment of ``time.monotonic()``."""
        while data := self._read():
            self._feed(data, now)
            self._unwritten = True
            if len(data) < _CHUNK:  # nothing was left: to ask again would double the cost of most looks
                return True
            if time.monotonic() >= until:
                self._pass_over(FAR_BEHIND)
                return False
        return True

    def _feed(self, data: bytes, now: float) -> None:
        """Take in what was just read, each piece at the time at which it came."""
        if self._arrivals is None:
            self._follower.feed(data, now)
            return
        begin = self._offset - len(data)
        for piece, at in self._arrivals.pieces(self.number, begin, data, self._nothing_left_at, now):
            self._follower.feed(piece, at)

    def finish(self, now: float) -> None:
        """Read the last of it: the process that printed has ended."""
        self.follow(now, LAST_READ_SECONDS)
        if self._pass_over(_TAIL):
            self.follow(now)
        self._follower.finish(now)
        self._write(now)

    def progress(self) -> Progress:
        """What its output has told so far."""
        return self._follower.progress()

    def named_signal(self) -> int | None:
        """The signal that a launcher names at the end of the output as the training's."""
        return named_signal(self._tail().decode(errors="replace"))

    def last_words(self) -> str:
        """The last line that says what went wrong; where none does, the last line."""
        return self._follower.progress().last_error or last_line(self._tail())[:500]

    def close(self) -> None:
        """Let go of the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> bytes:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return b""
        end = self._file.seek(0, 2)
        if end < self._offset:  # somebody emptied the log: what comes next is new
            self._offset = 0
        self._file.seek(self._offset)
        data = self._file.read(_CHUNK)
        self._offset += len(data)
        return data

    def _pass_over(self, unread: int) -> bool:
        """Go on at the end where more than so many bytes are unread: where the bar stands now is told there."""
        end = self._file.seek(0, 2) if self._file is not None else 0
        if end - self._offset <= unread:
            return False
        self._offset = end - _TAIL
        here = structs.replace(self._follower.progress(), position=self._offset)
        self._follower = _resume(here, self.resumed)
        return True

    def _write(self, now: float) -> None:
        self._written_at, self._told = now, self._follower.news
        progress = self._follower.progress()
        with suppress(OSError):  # a full disk: what was read is kept, and written once there is room
            self._folder.write_progress(progress)
            self._unwritten = False

    def _tail(self) -> bytes:
        try:
            return last_bytes(self._path, _TAIL)
        except OSError:
            return b""


def _former_progress(folder: RunFolder) -> Progress | None:
    """What a former supervisor, or the generation before, left in ``progress/output-0.json``."""
    try:
        return next((p for p in folder.read_progress() if p.writer == "output"), None)
    except RunFolderError:  # damaged: the log holds everything, and is read from its beginning
        return None


def _follower(kept: Kept, resumed: Resume | None, former: Progress | None) -> Follower:
    epochs, step = (resumed.epoch, resumed.step) if resumed else (None, None)
    if former is not None and former.generation == kept.generation:
        return _resume(former, resumed)
    return Follower(
        kept.generation,
        kept.started_at,
        resumed_epochs=epochs,
        base_step=step,
        carried_errors=former.errors if former else None,
        carried_nonfinite=former.nonfinite_losses if former else 0,
    )


def _resume(former: Progress, resumed: Resume | None) -> Follower:
    epochs, step = (resumed.epoch, resumed.step) if resumed else (None, None)
    return Follower.resume(former, resumed_epochs=epochs, base_step=step)
