"""``trainwarden follow NAME``: what comes in on a pipe, or into a file, goes into the output log of an attached run.

In a pipe it stands between the training and the terminal, and a training whose pipe has no reader dies. So it passes
everything on like ``tee``, reads to the end whatever happens to the run, to the disk or to its own output, and takes
no notice of Ctrl-C, which the training gets as well.
"""

import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from trainwarden import system
from trainwarden.config import Config
from trainwarden.errors import ConfigurationError, TrainwardenError
from trainwarden.observe import attach, record, tmux
from trainwarden.observe.record import GENERATION, OUTPUT_LOCK
from trainwarden.observe.training import is_bare_shell, read_command
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.tail import Tail
from trainwarden.supervise.detach import lock
from trainwarden.supervise.outputlog import OutputLog

_CHUNK = 64 * 1024
_LOOK_SECONDS = 1.0
"""How often the run is looked after."""
_EVERY = 0.2
_KEPT = 256 * 1024
"""Bytes that are kept for a run that is not attached yet."""
_WAIT_SECONDS = 20.0
"""How long a pipe of tmux waits for the run."""
_FILTERS = 8
"""How long a pipeline may be."""


class Sink:
    """The output log of a run, while it is attached and nobody else writes its output. Never raises but in ``open``."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._run_id = ""
        self._log: OutputLog | None = None
        self._mine = ExitStack()
        self._kept = b""
        self._due = 0.0
        self.over = False
        """Whether the run that was followed has ended, or its watch has."""

    @property
    def is_open(self) -> bool:
        """Whether what comes in goes into the log."""
        return self._log is not None

    def open(self) -> None:
        """Begin. Raises ``ConfigurationError`` where there is no such run to follow."""
        name, spec, state = self._folder.name, self._folder.read_spec(), self._folder.read_state()
        if spec is not None and not spec.attached:
            raise ConfigurationError(f"run '{name}' was started by trainwarden, which follows its output itself")
        if spec is None or state is None or state.run_id != spec.run_id or state.ended is not None:
            raise ConfigurationError(f"run '{name}' is not attached; first: trainwarden attach {name} --pid N")
        try:
            self._mine.enter_context(lock(self._folder.path / OUTPUT_LOCK))
        except BlockingIOError:
            raise ConfigurationError(f"the output of run '{name}' is followed already") from None
        self._run_id = spec.run_id
        self._log = OutputLog(self._folder.output_path(GENERATION))
        self._log.write(self._kept)
        self._kept = b""

    def write(self, data: bytes) -> None:
        """Append; before there is a run, the newest of it is kept."""
        if self._log is not None:
            self._log.write(data)
        elif not self.over:
            self._kept = (self._kept + data)[-_KEPT:]

    def look(self) -> None:
        """See, now and then, whether the run is still the one that is followed, and still there to be followed."""
        now = time.monotonic()
        if self._log is None or now < self._due:
            return
        self._due = now + _LOOK_SECONDS
        with suppress(TrainwardenError, OSError):
            state = self._folder.read_state()
            if state is None or state.run_id != self._run_id or state.ended is not None:
                self.close()

    def close(self) -> None:
        """Let go of the run."""
        self.over = True
        if self._log is not None:
            self._log.close()
            self._log = None
        self._mine.close()


def follow_log(folder: RunFolder, path: Path) -> None:
    """Follow what is written into the file from now on, until the run is over. Raises ``ConfigurationError``."""
    attach.check_log(path)
    sink = Sink(folder)
    sink.open()
    tail = Tail(path, path.stat().st_size if path.exists() else 0)
    while not sink.over:
        while data := tail.read():
            sink.write(data)
        sink.look()
        time.sleep(_EVERY)


def follow_pipe(name: str, load: Callable[[], Config], *, quiet: bool, while_watched: bool) -> None:
    """Pass standard input on to standard output and follow it to its end; ``while_watched``: to the run's, if earlier.

    Never raises: why a run cannot be followed is told on standard error, and the pipe goes on. ``load`` is asked for
    the configuration where a run is to be attached.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    door = _Door(name, None if while_watched else load)
    out = None if quiet or sys.stdout is None else sys.stdout.fileno()  # (None: it was closed from the start)
    while True:
        if while_watched and door.is_shut:
            _leave(name)
            break
        ready, _, _ = select.select([0], [], [], _LOOK_SECONDS)
        data = os.read(0, _CHUNK) if ready else None
        if data == b"":
            break
        if data:
            out = _pass_on(data, out)
        door.turn(data or b"")


def _leave(name: str) -> None:
    """Close the pane's pipe, which tmux would keep until something is printed; not one that took our place."""
    if select.select([0], [], [], 0)[0] and not os.read(0, _CHUNK):
        return
    with suppress(TrainwardenError):
        observed = record.read(RunFolder(name))
        if observed is not None and observed.pane is not None:
            tmux.unpipe(observed.pane)


def _pass_on(data: bytes, out: int | None) -> int | None:
    """Write it all. None from the moment on that nobody takes it: the training is not to pay for that."""
    try:
        while out is not None and data:
            data = data[os.write(out, data) :]
    except OSError:
        return None
    return out


class _Door:
    """The way into a run that may not be there yet. With ``load``, who writes the pipe is then attached."""

    def __init__(self, name: str, load: Callable[[], Config] | None) -> None:
        self._name = name
        self._load = load
        self._sink: Sink | None = None
        self._said = ""
        self._due = 0.0
        self._until = time.monotonic() + _WAIT_SECONDS

    @property
    def is_shut(self) -> bool:
        """Whether nothing more is taken in: the run is over, or did not come."""
        if self._sink is not None and self._sink.is_open:
            return False
        return (self._sink is not None and self._sink.over) or time.monotonic() > self._until

    def turn(self, data: bytes) -> None:
        """Take in what came, and look after the run."""
        try:
            if self._sink is None:
                self._sink = Sink(RunFolder(self._name))
            self._sink.write(data)
            self._look(self._sink)
        except Exception as error:  # whatever it is, the training is not to die of it
            self._say(str(error) or type(error).__name__)

    def _look(self, sink: Sink) -> None:
        now = time.monotonic()
        if sink.is_open:
            sink.look()
        elif not sink.over and now >= self._due:
            self._due = now + _LOOK_SECONDS
            folder = RunFolder(self._name)
            if self._load is not None and not is_attended(folder) and (writer := upstream()) is not None:
                attach.attach(self._name, attach.What(pid=writer), self._load())
                self._say(f"run '{self._name}': pid {writer} is watched from now on")
            sink.open()

    def _say(self, sentence: str) -> None:
        """Once, and not again at every try."""
        if sentence != self._said:
            self._said = sentence
            with suppress(OSError):
                os.write(2, f"trainwarden: {sentence}\n".encode())


def upstream() -> int | None:
    """Who writes this process's standard input: the head of a pipeline (``train | tee log | trainwarden follow``)."""
    found, reader = None, os.getpid()
    for _ in range(_FILTERS):
        writer = _writer_of(reader)
        if writer is None:
            break
        found = reader = writer
    return found


def _writer_of(reader: int) -> int | None:
    """The oldest process whose standard output (or error) is the pipe that ``reader`` reads; no subshell."""
    pipe = _pipe(reader, 0)
    if pipe is None:
        return None
    pids = [pid for pid in system.all_pids() if pid != reader and pipe in (_pipe(pid, 1), _pipe(pid, 2))]
    stats = sorted(s for pid in pids if (s := system.read_stat(pid)) is not None)
    training = [s for s in stats if not is_bare_shell(read_command(s.pid))]
    return min(training, key=lambda s: (s.start_time, s.pid)).pid if training else None


def _pipe(pid: int, handle: int) -> tuple[int, int] | None:
    try:
        found = (system.PROC / str(pid) / "fd" / str(handle)).stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISFIFO(found.st_mode) else None
