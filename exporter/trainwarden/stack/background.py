"""Going on in the background, once what was begun in the foreground is ready."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path


def run(work: Callable[[Callable[[], None]], None], log: Path) -> None:
    """Do ``work`` in a child of its own session; return when it calls what it is given ("I am ready").

    Until then the child writes to this terminal, afterwards to ``log``. If it ends without having been ready, this
    process ends with its exit code: the child has said why.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.setsid()
        work(lambda: _leave_terminal(writing, log))
        sys.exit(0)
    os.close(writing)
    _await_ready(child, reading)


def _await_ready(child: int, reading: int) -> None:
    try:
        with os.fdopen(reading, "rb") as pipe:
            ready = pipe.read()
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        ready = b""
    if not ready:
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status) or 1)


def _leave_terminal(writing: int, log: Path) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.write(writing, b"ready")
    os.close(writing)
