"""One command on a pseudo-terminal of its own, as the keeper starts it. Standard library only."""

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

DEFAULT_SIZE = (120, 40)
"""Columns and lines where no viewer's terminal says otherwise: progress bars and log lines wrap by it."""

HANDLED_BY_KEEPER = (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
_DEFAULT_IN_TRAINING = (*HANDLED_BY_KEEPER, signal.SIGPIPE, signal.SIGXFSZ)
"""The keeper's handlers, and the two signals that Python ignores, which an exec would hand on."""

NOT_EXECUTABLE = 126
NOT_FOUND = 127
"""The exit codes with which a shell says so."""


class Started(NamedTuple):
    """A process that waits on its terminal for ``release`` before it becomes the command."""

    pid: int
    master: int
    slave: int
    """Held open as long as the master, which otherwise reads an endless hang-up once the command closes it."""
    gate: int

    def release(self) -> None:
        """Let the command begin."""
        os.write(self.gate, b"g")
        os.close(self.gate)

    def cancel(self) -> None:
        """Let the process end without ever having become the command."""
        for handle in (self.gate, self.master, self.slave):
            os.close(handle)


def start(argv: list[str], cwd: str, environment: Mapping[str, str], size: tuple[int, int]) -> Started:
    """Fork a process that will become ``argv``: its own session, the new terminal controlling it.

    It waits for ``release``, so that it can be written down before it does anything. A command that cannot be
    started says so on the terminal and exits as a shell would: 127 where it is not found, else 126.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    behind, gate = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(gate)
        _become(argv, cwd, environment, slave, behind)
    os.close(behind)
    os.set_blocking(master, False)
    return Started(pid, master, slave, gate)


def _become(argv: list[str], cwd: str, environment: Mapping[str, str], slave: int, behind: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        for number in _DEFAULT_IN_TRAINING:
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for standard in (0, 1, 2):
            os.dup2(slave, standard)
        if os.read(behind, 1) == b"g":
            os.chdir(cwd)
            os.execvpe(argv[0], argv, environment)
    except OSError as error:
        place = cwd if error.filename == cwd else argv[0]
        os.write(2, f"trainwarden: {place}: {error.strerror}\n".encode(errors="surrogateescape"))
        os._exit(NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE)
    finally:
        os._exit(NOT_EXECUTABLE)


def read(master: int) -> bytes:
    """What the terminal holds now, at most 64 KiB; empty where it holds nothing."""
    with contextlib.suppress(BlockingIOError):
        return os.read(master, 65536)
    return b""
