"""The desks of all runs of this machine: opened when a run is first seen, and anew for a new use of its name."""

import logging
import os
import threading
from pathlib import Path
from typing import NamedTuple

from trainwarden.errors import RunFolderError
from trainwarden.restart.desk import Desk, Tools
from trainwarden.runs.folder import RunFolder, list_runs

log = logging.getLogger(__name__)


class _Stamp(NamedTuple):
    """By which a ``run.json`` is known to be the one that was read: it is only ever replaced whole."""

    inode: int
    modified: int
    size: int


class _Place(NamedTuple):
    desk: Desk
    stamp: _Stamp | None


class Desks:
    """May be used from any thread."""

    def __init__(self, root: Path, tools: Tools) -> None:
        self._root = root
        self._tools = tools
        self._lock = threading.Lock()
        self._open: dict[str, _Place] = {}
        self._faults: dict[str, str] = {}

    def refresh(self) -> None:
        """See which runs there are. One whose files are damaged has no desk until they are mended."""
        with self._lock:
            runs = list_runs(self._root)
            for name in runs:
                self._see(name)
            for gone in self._open.keys() - runs:
                del self._open[gone]
            self._faults = {name: fault for name, fault in self._faults.items() if name in runs}

    def find(self, name: str) -> Desk | None:
        """The desk of a run; None where there is none, or only another user's.

        Raises ``RunFolderError`` where its files are damaged. One that is known is found without waiting for
        ``refresh``, which reads the files of every run.
        """
        if known := self._known(name):
            return known.desk
        if not self._is_ours(name):
            return None
        with self._lock:
            self._see(name)
            if name in self._faults:
                raise RunFolderError(self._faults[name])
            return self._open[name].desk if name in self._open else None

    def all(self) -> list[Desk]:
        """Every desk, in the order of the runs' names."""
        with self._lock:
            return [self._open[name].desk for name in sorted(self._open)]

    def unreadable(self) -> list[str]:
        """Names of the runs that have no desk because their files are damaged."""
        with self._lock:
            return sorted(self._faults)

    def _is_ours(self, name: str) -> bool:
        """Whether there is such a run, and in a folder that this user may look into."""
        folder = RunFolder(name, self._root)
        try:
            folder.spec_path.stat()
        except PermissionError:
            mend = f"sudo chown -R {os.geteuid()} {folder.path}"
            log.warning("run '%s': is another user's, and left to him; if it is yours, give it back: %s", name, mend)
            return False
        except OSError:
            return False
        return True

    def _known(self, name: str) -> _Place | None:
        """The place of a run whose ``run.json`` is still the one that was read."""
        place = self._open.get(name)
        same = place is not None and place.stamp is not None and place.stamp == _stamp(place.desk.folder.spec_path)
        return place if same else None

    def _see(self, name: str) -> None:
        if self._known(name):
            self._faults.pop(name, None)  # damaged for a while, and put back as it was
            return
        try:
            self._open_desk(name)
            self._faults.pop(name, None)
        except RunFolderError as error:
            if self._faults.get(name) != str(error):
                log.error("run '%s' is held: %s", name, error)
            self._faults[name] = str(error)
            self._open.pop(name, None)

    def _open_desk(self, name: str) -> None:
        folder = RunFolder(name, self._root)
        stamp = _stamp(folder.spec_path)  # before it is read: what is written meanwhile is read again
        spec, place = folder.read_spec(), self._open.get(name)
        if spec is None:
            return
        same = place is not None and place.desk.spec.run_id == spec.run_id
        desk = place.desk if place is not None and same else Desk(folder, spec, self._tools)
        self._open[name] = _Place(desk, stamp)


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (with every webhook)
    except OSError:
        return None
    return _Stamp(found.st_ino, found.st_mtime_ns, found.st_size)
