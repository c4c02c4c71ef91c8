"""Whether anybody attends to a run: the locks that its keeper and its supervisor hold for as long as they live.

A lock is the kernel's word, which holds across PID namespaces and ends with its holder, however that died.
"""

import fcntl
import os
from pathlib import Path

from trainwarden.runs.folder import RunFolder

KEEPER_LOCK = "keeper.lock"
"""Held by the keeper for as long as it lives; who starts one takes the lock first and hands it on, without a gap."""
SUPERVISOR_LOCK = "supervisor.lock"
"""Held by the one supervisor that writes ``state.json``; a successor waits for it."""


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def is_attended(folder: RunFolder) -> bool:
    """Whether a keeper or a supervisor of this run lives."""
    return is_held(folder.path / KEEPER_LOCK) or is_held(folder.path / SUPERVISOR_LOCK)
