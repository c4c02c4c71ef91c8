"""Start a keeper that lives on when whoever started it is gone."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from trainwarden.errors import RunFolderError
from trainwarden.names import GENERATION_ENVIRONMENT, RUN_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.runs.attendance import KEEPER_LOCK, is_held
from trainwarden.runs.folder import RunFolder

_TRIES = 5

T = TypeVar("T")


@contextmanager
def lock(path: Path, *, wait: bool = False) -> Iterator[int]:
    """Hold the lock file, and let go of it at the end. Raises ``BlockingIOError`` where it is held and not waited for.

    A child that inherits the handle goes on holding the lock.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(handle, wait)
        yield handle
    finally:
        os.close(handle)


def _take(handle: int, wait: bool) -> None:
    """Who asks whether a lock is held holds it for an instant himself, so one refusal is not believed."""
    for _ in range(0 if wait else _TRIES):
        with suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.02)
    return fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def start(
    folder: RunFolder, module: str, held: int, environment: Mapping[str, str] = os.environ, *, say: bytes = b""
) -> int:
    """Start ``module`` detached, with the run folder and ``held`` as its arguments, and return its exit status.

    ``held`` is the handle of its lock, which it inherits; ``say`` is what it reads first. It forks once it is at work,
    so that this returns. It carries the launch environment, and an empty run id: it belongs to no run, not even to one
    in which trainwarden was called. Its working directory is the run folder, so that no file of the user's there can
    be taken for a Python module. What it prints goes to ``<module's name>.log``.
    """
    own = {RUN_ENVIRONMENT, GENERATION_ENVIRONMENT}
    inherited = {key: value for key, value in environment.items() if key not in own}
    with _log(folder, module).open("ab") as log:
        os.fchmod(log.fileno(), 0o600)
        return subprocess.run(
            [sys.executable, "-m", module, str(folder.path), str(held)],
            input=say,
            stdout=log,
            stderr=log,
            cwd=folder.path,
            env={**inherited, RUN_ID_ENVIRONMENT: ""},
            pass_fds=[held],
            start_new_session=True,
            check=False,
        ).returncode


KEEPER = "trainwarden.supervise.keeper"
STEWARD = "trainwarden.supervise.steward"


def start_keeper(folder: RunFolder, first_order: bytes, held: int, environment: Mapping[str, str]) -> None:
    """Start the run's keeper. Raises ``RunFolderError``."""
    if start(folder, KEEPER, held, environment, say=first_order) != 0:
        raise RunFolderError(f"run '{folder.name}': its keeper could not be started{_last_complaint(folder, KEEPER)}")


def start_steward(folder: RunFolder, held: int, environment: Mapping[str, str]) -> None:
    """Start the supervisor of a run that an engine launches, and wait until it has launched.

    Raises ``RunFolderError`` with its last word.
    """
    if start(folder, STEWARD, held, environment) != 0:
        raise RunFolderError(f"run '{folder.name}': was not launched{_last_complaint(folder, STEWARD)}")


def until(folder: RunFolder, look: Callable[[], T | None], seconds: float, holder: str = KEEPER_LOCK) -> T:
    """Wait for what a keeper is to bring about. Raises ``RunFolderError`` where it is gone or too slow.

    ``holder``: the lock of whoever is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        gone = not is_held(folder.path / holder)  # asked first: what it did just before its end counts
        found = look()
        if found is not None:
            return found
        if gone or time.monotonic() > deadline:
            what = "ended at once" if gone else f"did nothing for {seconds:g} s"
            raise RunFolderError(f"run '{folder.name}': its keeper {what}{_last_complaint(folder, KEEPER)}")
        time.sleep(0.05)


def _log(folder: RunFolder, module: str) -> Path:
    return folder.path / f"{module.rpartition('.')[2]}.log"


def _last_complaint(folder: RunFolder, module: str) -> str:
    path = _log(folder, module)
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return f": {lines[-1]} ({path})" if lines else f"; see {path}"
