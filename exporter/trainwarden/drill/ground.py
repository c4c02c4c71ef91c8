"""The one folder in which a drill lives, and the clearing away of all that was started from it.

Every process of a drill carries the folder in its environment, so also what a drill that was killed has left is found
and ended by the next one. Nothing without that mark is touched.
"""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from trainwarden import system
from trainwarden.errors import TrainwardenError
from trainwarden.model import Identity
from trainwarden.runs import identity
from trainwarden.stack.state import StackFolder

MARK = "TRAINWARDEN_DRILL"
"""Environment variable that every process of a drill carries: the drill's folder."""
END_SECONDS = 5.0
"""From SIGTERM to SIGKILL, and from there until a process counts as left behind."""
_ASKS_THE_DRIVER = b"trainwarden.collectors.gpu_snapshot"
"""A launch asks the real driver through such a child, which ends by itself. Killed inside a call it can wedge WSL2."""


class DrillError(TrainwardenError):
    """A drill cannot begin, or has left something behind."""


class Ground:
    """Where each thing of a drill lies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        """``$XDG_STATE_HOME`` of everything in the drill."""
        self.stack = StackFolder(self.state / "trainwarden/stack")
        self.runs = self.state / "trainwarden/runs"
        self.readings = root / "readings.json"

    @property
    def environment(self) -> dict[str, str]:
        """What the drill's processes have beyond this one's environment: no file of the user's is theirs."""
        return {
            MARK: str(self.root),
            "XDG_STATE_HOME": str(self.state),
            "XDG_CONFIG_HOME": str(self.root / "config"),
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def training(self, name: str) -> Path:
        """What the scratch run of that name writes to."""
        return self.root / "training" / name

    def processes(self) -> list[Identity]:
        """Everything that lives and was started from here."""
        found = (identity.identify(pid) for pid in system.all_pids() if pid != os.getpid())
        return [process for process in found if process is not None and self._is_here(process)]

    def _is_here(self, process: Identity) -> bool:
        try:
            command = (system.PROC / str(process.pid) / "cmdline").read_bytes()
        except OSError:
            return False
        marked = system.read_environment(process.pid).get(MARK) == str(self.root)
        return marked and _ASKS_THE_DRIVER not in command and identity.is_process(process.pid, process.start_time)

    def clear(self) -> None:
        """End every process and empty the folder. Raises ``DrillError`` for what is still there afterwards."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._end(number)
        for path in list(self.root.iterdir()):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        left = [str(process.pid) for process in self.processes()]
        if left or any(self.root.iterdir()):
            what = f"process {', '.join(left)}" if left else f"files in {self.root}"
            raise DrillError(f"the drill could not clear away {what}; the next drill tries again")

    def _end(self, number: signal.Signals) -> None:
        """Signal each process once, those that appear meanwhile too (a keeper starts a supervisor anew)."""
        told: set[Identity] = set()
        deadline = time.monotonic() + END_SECONDS
        while (alive := self.processes()) and time.monotonic() < deadline:
            for process in alive:
                if process not in told:
                    identity.send(process.pid, process.start_time, number)
                    told.add(process)
            time.sleep(0.05)


@contextmanager
def ground(say: Callable[[str], None]) -> Iterator[Ground]:
    """The drill's folder, empty, for one drill at a time; afterwards it is gone, with all that was started from it.

    Raises ``DrillError`` where another drill is under way, or something could not be cleared away.
    """
    root = system.state_root() / "drill"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, root)
        place = Ground(root)
        if any(root.iterdir()) or place.processes():
            say("An earlier drill was cut off; what it left behind is cleared away.")
            place.clear()
        try:
            yield place
        finally:
            place.clear()
            root.rmdir()
            with suppress(OSError):
                root.parent.rmdir()  # if the drill is all that ever was in there
    finally:
        os.close(handle)


def _lock(handle: int, root: Path) -> None:
    """Hold the folder. One that ended just now has taken the folder with it, so its inode is compared."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if root.stat().st_ino == os.fstat(handle).st_ino:
            return
    except (BlockingIOError, FileNotFoundError):
        pass
    raise DrillError("another drill is under way or has just ended; try again when it is done")
