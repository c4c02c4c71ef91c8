"""Looking through every run's checkpoint folder: one that hangs takes only its own run's series away."""

import math
import time
from collections.abc import Iterable
from functools import partial

from trainwarden.collectors.base import Reading, faults_of, timeouts_of
from trainwarden.collectors.checkpoints.folder import CheckpointFolder, DiskReader, RunCheckpoints, disk_of
from trainwarden.deadline import Rounds
from trainwarden.model import RunSpec

EACH_SECONDS = 0.2
WHOLE_SECONDS = 0.4
"""For one run's folder, and for all of them together."""
VERIFY_SECONDS = 0.1
"""How long a scrape waits for what is being verified: mostly that is done at once. It goes on meanwhile."""


class CheckpointsReading(Reading, frozen=True, kw_only=True):
    """By run."""

    runs: tuple[RunCheckpoints, ...] = ()


class Checkpoints:
    """Looks through the runs' checkpoint folders, and remembers from look to look what it has verified."""

    def __init__(self, read_disk: DiskReader = disk_of) -> None:
        """``read_disk``: by default the kernel's word; a drill simulates it."""
        self._read_disk = read_disk
        self._folders: dict[str, tuple[RunSpec, CheckpointFolder]] = {}
        self._rounds: Rounds[str, RunCheckpoints] = Rounds(EACH_SECONDS, WHOLE_SECONDS)

    def read(self, specs: Iterable[RunSpec], now: float, seconds: float = math.inf) -> CheckpointsReading:
        """Look through the folder of every run that has one; ``seconds`` can only tighten the deadline."""
        known = {spec.name: spec for spec in specs if spec.checkpoints is not None}
        self._folders = {name: self._folders[name] for name in known if name in self._folders}
        until = time.monotonic() + min(VERIFY_SECONDS, seconds)
        said = self._rounds.read({name: partial(self._look, spec, now, until) for name, spec in known.items()}, seconds)
        slow = ((name, folder.slow) for name, (_, folder) in self._folders.items())
        faults = (*faults_of(said), *(f"run {name}: {sentence}" for name, sentence in slow if sentence))
        runs = tuple(_or_unlisted(name, answer) for name, answer in said.items())
        return CheckpointsReading(runs=runs, faults=faults, timeouts=timeouts_of(said))

    def _look(self, spec: RunSpec, now: float, until: float) -> RunCheckpoints:
        remembered, folder = self._folders.get(spec.name, (None, None))
        if folder is None or remembered != spec:
            folder = CheckpointFolder(spec, self._read_disk)
            self._folders[spec.name] = spec, folder
        return folder.look(now, until)


def _or_unlisted(name: str, answer: RunCheckpoints | Exception) -> RunCheckpoints:
    """Of a folder that does not answer, or cannot be read, nothing is told but that."""
    return RunCheckpoints(run=name, folder_up=False) if isinstance(answer, Exception) else answer
