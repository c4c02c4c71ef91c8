"""The viewer: a run's output in this terminal, for as long as the terminal is there. The run does not need it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import BinaryIO

from trainwarden.errors import RunFolderError, TrainwardenError
from trainwarden.model import Ended, Outcome, RunState
from trainwarden.runs import control
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.identity import DEAD_STATES

_EVERY = 0.1
_CHUNK = 64 * 1024
_INTERRUPTED = 128 + signal.SIGINT
_GONE_SECONDS = 3.0
"""A run that nobody attends for so long has lost both its keeper and its supervisor."""
_STOP_MARGIN = 10.0
_FOR_GOOD = (Outcome.FINISHED, Outcome.STOPPED_BY_USER)
"""Ends that nobody mends: such a run stays open only until its last process is gone."""


def view(folder: RunFolder, out: BinaryIO) -> int:
    """Copy the run's output to ``out`` until the run is over, and return its exit code.

    That is the last generation's: 128 + the signal's number for a signal, 130 after a Ctrl-C, 1 where it is unknown.
    The first Ctrl-C stops the run for good, a second one leaves the viewer while the stop goes on.
    """
    viewer = _Viewer(folder, out)
    try:
        with _interrupts(viewer):
            while viewer.code is None:
                viewer.turn()
                time.sleep(_EVERY)
    except OSError:  # the terminal is closed, or the pipe's reader is gone: only the viewer ends
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        return 128 + signal.SIGPIPE
    return viewer.code


def stop(folder: RunFolder) -> None:
    """Stop the run for good and wait until it is over. Raises ``RunFolderError``, also where it takes too long."""
    spec = folder.require_spec()
    if not is_attended(folder):
        raise RunFolderError(f"run '{folder.name}' is not live: there is nothing to stop")
    control.ask(folder, control.Stop(by="user", final=True, reason="trainwarden stop"))
    deadline = time.monotonic() + spec.limits.term_grace + spec.limits.kill_grace + _STOP_MARGIN
    while is_attended(folder):
        if time.monotonic() > deadline:
            raise RunFolderError(f"run '{folder.name}': {_why_not_over(folder)}")
        time.sleep(_EVERY)


def _why_not_over(folder: RunFolder) -> str:
    """As its supervisor has it: what stands in the folder is old where the disk is full."""
    try:
        state: RunState | None = control.ask(folder, control.Probe())
    except TrainwardenError:
        state = folder.read_state()
    left = [str(m.pid) for m in state.members if m.state not in DEAD_STATES] if state else []
    if left:
        return f"still stopping; a driver or a disk may hold pid {', '.join(left)}, and only a reboot may help"
    if state is not None and state.members_visible and state.ended is None:
        return (
            f"all its processes have ended, and how cannot be written into {folder.path} (is the disk full?); it is "
            "over as soon as that can be"
        )
    return "still stopping"


@contextmanager
def _interrupts(viewer: "_Viewer") -> Iterator[None]:
    before = signal.signal(signal.SIGINT, viewer.interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Viewer:
    """Where the viewer is in the run's output, and what it has said."""

    def __init__(self, folder: RunFolder, out: BinaryIO) -> None:
        self.code: int | None = None
        self._folder = folder
        self._out = out
        self._is_terminal = out.isatty()
        self._generation = 1
        self._log: BinaryIO | None = None
        self._end_said = False
        self._interrupts = 0
        self._stop_asked = False
        self._attended_at = time.monotonic()

    def interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        """Ctrl-C."""
        self._interrupts += 1

    def turn(self) -> None:
        """Show what is new. The state is read first, so that what was printed before an end is shown before it."""
        if self._interrupts and not self._stop_asked:
            self._ask_for_stop()
        state = self._state()
        self._copy()
        if state is not None and state.generation > self._generation:
            self._next_generation(state)
        elif state is not None and state.ended is not None:
            self._show_end(state, state.ended)
        if self._interrupts > 1:
            self.code = _INTERRUPTED
        elif self.code is None:
            self._leave_if_deserted()

    def _state(self) -> RunState | None:
        with suppress(RunFolderError):
            return self._folder.read_state()
        return None

    def _copy(self) -> None:
        if self._log is None:
            with suppress(FileNotFoundError):
                self._log = self._folder.output_path(self._generation).open("rb")
        while self._log is not None and (data := self._log.read(_CHUNK)):
            self._out.write(data if self._is_terminal else data.replace(b"\r\n", b"\n"))
            self._out.flush()

    def _next_generation(self, state: RunState) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        self._generation += 1
        self._end_said = False
        if self._generation == state.generation and state.resumed_from is not None:
            self._say(f"generation {self._generation} goes on from {state.resumed_from.checkpoint}")
        else:
            self._say(f"generation {self._generation}")

    def _show_end(self, state: RunState, ended: Ended) -> None:
        if not self._end_said:
            self._end_said = True
            self._say(f"generation {state.generation} ended: {ended.reason}{self._what_next(state, ended)}")
        # Until its keeper is gone the name is taken, and the next command may be a run of the same name.
        if not state.open and not is_attended(self._folder):
            self.code = _INTERRUPTED if self._stop_asked else _exit_code(ended)

    def _what_next(self, state: RunState, ended: Ended) -> str:
        spec = self._folder.read_spec()
        if not state.open or ended.outcome in _FOR_GOOD or spec is None:
            return ""
        means = "resume it" if state.resumable else "take note (it cannot be resumed)"
        return f" The receiver has {spec.limits.await_restart / 60:.0f} min to {means}; Ctrl-C gives it up."

    def _ask_for_stop(self) -> None:
        try:
            control.ask(self._folder, control.Stop(by="user", final=True, reason="Ctrl-C"))
        except TrainwardenError:  # a supervisor may be on its way: asked again at the next turn
            return
        self._stop_asked = True
        self._say("stopping all its processes; Ctrl-C again leaves this view, and the stop goes on")

    def _leave_if_deserted(self) -> None:
        now = time.monotonic()
        if is_attended(self._folder):
            self._attended_at = now
        elif now - self._attended_at > _GONE_SECONDS:
            self._say(f"nobody watches this run any more; see {self._folder.path}")
            self.code = 1

    def _say(self, sentence: str) -> None:
        """One line of trainwarden's own, dim where there is a terminal."""
        before, after = (b"\x1b[0m\r\n\x1b[2m", b"\x1b[0m\r\n") if self._is_terminal else (b"\n", b"\n")
        self._out.write(before + f"trainwarden: {sentence}".encode() + after)
        self._out.flush()


def _exit_code(ended: Ended) -> int:
    if ended.signal is not None:
        return 128 + ended.signal
    return 1 if ended.exit_code is None else ended.exit_code
