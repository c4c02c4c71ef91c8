"""Whether a process that was written down is still there. A pid alone is reused; an ``Identity`` is not."""

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainwarden import system
from trainwarden.model import Identity

DEAD_STATES = "ZX"
"""A zombie counts as dead: nothing of it runs any more, and a container without a reaper keeps it for ever."""


def identify(pid: int, proc: Path = system.PROC) -> Identity | None:
    """The identity of a process that lives, or None where there is none of that pid."""
    fields = system.identify(pid, proc)
    return None if fields is None else Identity(**fields)


def myself() -> Identity:
    """This process's own identity."""
    return Identity(**(system.identify(os.getpid()) or {}))


def lives(identity: Identity, proc: Path = system.PROC) -> bool | None:
    """Whether this very process lives; None where it cannot be told from this PID namespace."""
    if identity.boot_id != system.boot_id(proc):
        return False
    if identity.pid_namespace != system.pid_namespace(proc):
        return None
    return is_process(identity.pid, identity.start_time, proc)


def is_process(pid: int, start_time: int, proc: Path = system.PROC) -> bool:
    """Whether the process of this pid is the one that started then, and is not dead."""
    stat = system.read_stat(pid, proc)
    return stat is not None and stat.start_time == start_time and stat.state not in DEAD_STATES


def send(pid: int, start_time: int, signum: int) -> bool:
    """Send a signal to exactly this process; False where it is gone. Raises ``PermissionError``.

    The handle is opened first and the identity read afterwards: the signal then cannot reach a process that
    took over the pid in between.
    """
    try:
        with _handle(pid) as handle:
            if not is_process(pid, start_time):
                return False
            if handle is None:
                os.kill(pid, signum)
            else:
                signal.pidfd_send_signal(handle, signum)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _handle(pid: int) -> Iterator[int | None]:
    """A pidfd. None where this Python was built without (conda's, for old kernels) or the kernel has none (WSL 1)."""
    try:
        handle = os.pidfd_open(pid)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOSYS:
            raise
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)
