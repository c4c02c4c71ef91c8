"""The desks of all runs of this machine: opened when a run is first seen, and anew for a new use of its name."""

import logging
import threading
from pathlib import Path

from trainwarden.errors import RunFolderError
from trainwarden.restart.desk import Desk, Tools
from trainwarden.runs.folder import RunFolder, list_runs

log = logging.getLogger(__name__)


class Desks:
    """May be used from any thread."""

    def __init__(self, root: Path, tools: Tools) -> None:
        self._root = root
        self._tools = tools
        self._lock = threading.Lock()
        self._open: dict[str, Desk] = {}
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
        """The desk of a run, None where there is none. Raises ``RunFolderError`` where its files are damaged."""
        with self._lock:
            if not RunFolder(name, self._root).spec_path.is_file():
                return None
            self._see(name)
            if name in self._faults:
                raise RunFolderError(self._faults[name])
            return self._open.get(name)

    def all(self) -> list[Desk]:
        """Every desk, in the order of the runs' names."""
        with self._lock:
            return [self._open[name] for name in sorted(self._open)]

    def unreadable(self) -> list[str]:
        """Names of the runs that have no desk because their files are damaged."""
        with self._lock:
            return sorted(self._faults)

    def _see(self, name: str) -> None:
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
        spec, known = folder.read_spec(), self._open.get(name)
        if spec is not None and (known is None or known.spec.run_id != spec.run_id):
            self._open[name] = Desk(folder, spec, self._tools)
