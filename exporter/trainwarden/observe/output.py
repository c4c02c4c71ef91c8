"""What a watched training prints, on its way into the run's output log: from a log file of the user's, or from a pane.

The run's own log, ``output.1.log``, holds what was printed since the watch began; everything behind it (steps, phases,
last words) is then as for a run that trainwarden started.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path

from msgspec import structs

from trainwarden.errors import RunFolderError
from trainwarden.model import Phase, Resume
from trainwarden.observe import record, tmux
from trainwarden.observe.record import GENERATION, OUTPUT_LOCK, Log, Observed
from trainwarden.runs.attendance import is_held
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.follow import Follower
from trainwarden.runs.tail import Tail
from trainwarden.supervise.detach import lock
from trainwarden.supervise.outputlog import OutputLog

BACKLOG = 4 * 1024 * 1024
"""How much of a log's end is read for where the training stands, bytes."""
LAST_BYTES = 16 * 1024
"""A traceback of the trainer, and of a few workers."""
_READINGS = 64
"""Of a log, before the rest of the run is looked at again: 16 MiB."""
_PIPE_AGAIN = 10.0
"""Seconds between two tries to pipe a pane."""
LOST_AFTER = 15.0
"""Seconds without a source after which the last word on steps and phase is withdrawn."""


def backlog(path: Path) -> tuple[bytes, Log]:
    """The end of what stands in a log, and the place behind it. Of a log that is not there yet: nothing."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - BACKLOG))
            data = file.read(size - file.tell())
            return data, Log(str(path), size, path.stat().st_ino)
    except OSError:
        return b"", Log(str(path), 0, None)


def prime(folder: RunFolder, text: bytes, resumed: Resume | None, now: float) -> None:
    """Write where the training stands, by what it printed before anybody watched: step, epoch, phase, totals.

    Nothing of that is news: its errors (perhaps an earlier training's, in the same log) and its steps do not count.
    """
    epochs, step = (resumed.epoch, resumed.step) if resumed else (None, None)
    reader = Follower(GENERATION, now, resumed_epochs=epochs, base_step=step)
    reader.feed(text, now)
    reader.finish(now)
    stands = structs.replace(
        reader.progress(),
        errors={},
        last_error="",
        steps_done=0,
        saves=0,
        nonfinite_losses=0,
        last_step_at=None,
        durations=None,
        median_step_seconds=None,
        position=_size(folder.output_path(GENERATION)),
    )
    folder.write_progress(stands)


def last_bytes(folder: RunFolder) -> bytes:
    """The end of what the run printed, at most ``LAST_BYTES``."""
    try:
        with folder.output_path(GENERATION).open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - LAST_BYTES))
            return log.read()
    except OSError:
        return b""


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Source:
    """Where the run's output comes from, for as long as the run is watched."""

    def __init__(self, folder: RunFolder, observed: Observed, save: Callable[[Observed], None]) -> None:
        self._folder = folder
        self._observed = observed
        self._save = save
        self._mine = ExitStack()
        self._tail: Tail | None = None
        self._log: OutputLog | None = None
        self._heard_at: float | None = None
        self._pipe_due = 0.0
        if observed.log is not None:
            self._begin_tail(observed.log)

    def _begin_tail(self, log: Log) -> None:
        with suppress(OSError):  # somebody follows already: one source is enough
            self._mine.enter_context(lock(self._folder.path / OUTPUT_LOCK))
            self._tail = Tail(Path(log.path), log.offset, log.inode)
            self._log = OutputLog(self._folder.output_path(GENERATION))

    def carry(self, now: float) -> None:
        """Take over what is new in the user's log, or see that the pane is piped. ``now``: ``system.monotonic()``."""
        if self._tail is not None and self._log is not None:
            for data in islice(iter(self._tail.read, b""), _READINGS):
                self._remember(self._tail)
                self._log.write(data)
        elif self._observed.pane is not None and now >= self._pipe_due:
            self._pipe_due = now + _PIPE_AGAIN
            if not is_held(self._folder.path / OUTPUT_LOCK):
                tmux.pipe(self._observed.pane, self._folder)

    def _remember(self, tail: Tail) -> None:
        """Before it is written: an observer that dies in between loses a line, instead of counting its steps twice."""
        if self._observed.log is not None:
            place = structs.replace(self._observed.log, offset=tail.offset, inode=tail.inode)
            self._observed = structs.replace(self._observed, log=place)
            self._save(self._observed)

    def is_lost(self, now: float) -> bool:
        """Whether nobody has written the run's output for ``LOST_AFTER``: it is silent because nobody reads it."""
        if is_held(self._folder.path / OUTPUT_LOCK) or self._heard_at is None:
            self._heard_at = now
        return now - self._heard_at > LOST_AFTER

    def close(self) -> None:
        """Let go of the user's log."""
        if self._tail is not None:
            self._tail.close()
        if self._log is not None:
            self._log.close()
        self._mine.close()


def withdraw(folder: RunFolder, now: float) -> None:
    """Say no longer where the training stands (``collectors.runs``): nobody reads its output any more."""
    with suppress(OSError, RunFolderError):
        written = next((p for p in folder.read_progress() if p.writer == "output"), None)
        if written is not None and written.phase is not Phase.STARTING:
            folder.write_progress(structs.replace(written, phase=Phase.STARTING, phase_since=now))


def save(folder: RunFolder) -> Callable[[Observed], None]:
    """A full disk: the place is kept in memory, and written once there is room."""

    def write(observed: Observed) -> None:
        with suppress(OSError):
            record.write(folder, observed)

    return write
