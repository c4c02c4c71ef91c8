"""Having a child look: what hangs in a driver or a file system can then never hang who waits for the table."""

import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from trainwarden.errors import TrainwardenError
from trainwarden.status.report import Report

ANSWER_SECONDS = 15.0
"""The child needs a second, or four where something hangs; more where the machine swaps."""
_END_SECONDS = 0.5
_DECODER = msgspec.json.Decoder(Report)


class Child:
    """One child, asked again and again. To be closed."""

    def __init__(self, config_file: Path | None, *, every: bool) -> None:
        """``every``: with the runs that are over for however long."""
        given = [*([str(config_file)] if config_file else []), *(["--every"] if every else [])]
        self._child = subprocess.Popen(
            [sys.executable, "-m", "trainwarden.status", *given],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is ours
        )
        self._unread = b""

    def look(self) -> Report:
        """Have it look. Raises ``TrainwardenError`` where it does not answer."""
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it has died: the answer will be missing
            self._child.stdin.write(b"\n")
            self._child.stdin.flush()
        return _DECODER.decode(self._line(time.monotonic() + ANSWER_SECONDS))

    def _line(self, until: float) -> bytes:
        assert self._child.stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._child.stdout], [], [], max(0.0, until - time.monotonic()))
            data = os.read(self._child.stdout.fileno(), 1 << 16) if ready else b""
            if not ready:
                raise TrainwardenError(
                    f"this machine could not be read within {ANSWER_SECONDS:g} s; is it out of memory?"
                )
            if not data:
                raise TrainwardenError("what reads this machine has died; was it killed for want of memory?")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def close(self) -> None:
        """Let it end. It is not waited for where it hangs in a call that nobody can end."""
        assert self._child.stdin is not None
        with suppress(OSError):
            self._child.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(_END_SECONDS)
