"""One scrape: every sensor read once. What can hang is read beside the rest, and waited for no longer than a moment."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, Protocol

from trainwarden import names, system
from trainwarden.collectors import checkpoints, gpu, host, runs, thresholds
from trainwarden.collectors.base import Begun, Card, Watch, metric, watch_families
from trainwarden.collectors.gpu import processes
from trainwarden.config import Config
from trainwarden.errors import TrainwardenError
from trainwarden.runs import visible
from trainwarden.series import Series
from trainwarden.version import VERSION

log = logging.getLogger(__name__)

SCRAPE_SECONDS = 0.8
"""For all sensors together: a scrape answers within a second, whatever hangs. Each sensor has its share of it.

What takes longer goes on meanwhile, and the scrape in which it is done has it.
"""
HEALTHY_GPU_SECONDS = 0.05
"""For which everything else waits while the GPUs are read: two threads that share one interpreter read slower than
one after the other. A driver that takes longer is read beside the rest."""


class GpuSensor(Protocol):
    """What reads the GPUs."""

    known: dict[str, Card]
    """By UUID, every card that was ever up."""

    def begin(self, seconds: float, *, anew: bool) -> Begun[gpu.GpusReading]:
        """Begin to read all cards within so many seconds, or hand on a reading of a moment ago. Never raises."""


class Look(NamedTuple):
    """Everything that one scrape found."""

    series: list[Series]
    runs: tuple[runs.Run, ...]
    checkpoints: tuple[checkpoints.RunCheckpoints, ...]
    faults: tuple[tuple[str, str], ...]
    """Collector and sentence of whatever could not be read."""
    timeouts: int
    """How many parts of it have not answered in time: the next look may have them."""


class _Found(NamedTuple):
    """The sensors' readings; None where one failed as a whole."""

    host: host.HostReading | None
    gpus: gpu.GpusReading | None
    runs: runs.RunsReading | None
    checkpoints: checkpoints.CheckpointsReading | None
    thresholds: thresholds.ThresholdsReading | None


class Machine:
    """What this machine and its runs look like now, read anew for every scrape."""

    def __init__(
        self,
        config: Config,
        runs_root: Path,
        proc: Path = system.PROC,
        clock: Callable[[], float] = time.time,
        *,
        gpus: GpuSensor | None = None,
        read_host: Callable[[], host.HostReading] | None = None,
        read_disk: checkpoints.DiskReader = checkpoints.disk_of,
    ) -> None:
        """``gpus``, ``read_host``, ``read_disk``: by default the driver's cards and the kernel's word; a drill
        simulates all three."""
        driver = gpu.Driver(pcie=config.exporter.gpu_pcie)
        self._config = config
        self._proc = proc
        self._clock = clock
        self._turn = threading.Lock()
        self._gpus: GpuSensor = gpus or gpu.Gpus(driver, config.exporter.gpus_expected)
        self._read_host = read_host or (lambda: host.read(proc))
        self._gpus_told: tuple[gpu.GpusReading, list[Series]] | None = None
        self._doubted: set[str] = set()
        """The runs of which the log says that their GPUs are not known."""
        self._runs = runs.Runs(runs_root, config.exporter.keep_ended)
        self._checkpoints = checkpoints.Checkpoints(read_disk)
        self._watches = [Watch(name) for name in ("host", "gpu", "runs", "checkpoints", "thresholds")]

    def collect(self, deadline_seconds: float | None = None, *, anew: bool = False) -> list[Series]:
        """Read everything, and answer with every family within a second; ``deadline_seconds`` can only tighten that.

        One scrape at a time: a further one waits for its turn, and then reads anew; the GPUs only where the last
        reading of them is not of a moment ago, or where they are to be read ``anew`` as well.
        """
        with self._turn:
            now = self._clock()
            return list(self._families(self._read(now, deadline_seconds, anew=anew), now))

    def look(self) -> Look:
        """The same for who tells people: with what no series says of the runs, and what failed, in words."""
        with self._turn:
            now, overdue = self._clock(), self._timeouts()
            found = self._read(now, None, anew=True)
            return Look(
                series=list(self._families(found, now)),
                runs=found.runs.runs if found.runs else (),
                checkpoints=found.checkpoints.runs if found.checkpoints else (),
                faults=tuple((watch.name, fault) for watch in self._watches for fault in watch.faults),
                timeouts=self._timeouts() - overdue,
            )

    def _timeouts(self) -> int:
        return sum(watch.timeouts for watch in self._watches)

    def _read(self, now: float, deadline_seconds: float | None, *, anew: bool) -> _Found:
        until = time.monotonic() + min(SCRAPE_SECONDS, math.inf if deadline_seconds is None else deadline_seconds)

        def left() -> float:
            return until - time.monotonic()

        watch_host, watch_gpu, watch_runs, watch_checkpoints, watch_thresholds = self._watches
        begun = self._gpus.begin(left(), anew=anew)
        begun.settle(min(HEALTHY_GPU_SECONDS, left()))
        found_host = watch_host.read(self._read_host, now)
        found_runs = watch_runs.read(partial(self._read_runs, now, left), now)
        found_checkpoints = watch_checkpoints.read(partial(self._read_checkpoints, found_runs, now, left), now)
        found_gpus = watch_gpu.join(begun, now)
        every = found_runs.runs if found_runs else ()
        apart = checkpoints.saves_apart(found_checkpoints.runs) if found_checkpoints else {}
        found_thresholds = watch_thresholds.read(partial(thresholds.read, self._config, every, apart), now)
        return _Found(found_host, found_gpus, found_runs, found_checkpoints, found_thresholds)

    def _families(self, found: _Found, now: float) -> Iterator[Series]:
        yield from metric(names.BUILD_INFO, [((VERSION,), 1)])
        if found.host:
            yield from host.families(found.host)
        if found.gpus:
            yield from self._gpu_families(found.gpus)
        if found.gpus and found.runs:
            yield from processes.families(
                found.gpus, found.runs, by_pid=self._config.exporter.gpu_pids, proc=self._proc, now=now
            )
        every = found.runs.runs if found.runs else ()
        known = found.gpus.cards if found.gpus else self._gpus.known
        self._tell_doubts(every, known)
        yield from runs.families(every, known)
        if found.checkpoints:
            yield from checkpoints.families(found.checkpoints.runs)
        if found.thresholds:
            yield from thresholds.families(found.thresholds)
        yield from watch_families(self._watches)

    def _tell_doubts(self, every: tuple[runs.Run, ...], known: dict[str, Card]) -> None:
        """Log once for each run that its GPUs are not known, and the mend."""
        doubted = {run.name for run in every if run.up and runs.in_doubt(run, known)}
        for name in sorted(doubted - self._doubted):
            log.warning("run %s: %s", name, visible.DOUBT)
        self._doubted = doubted

    def _gpu_families(self, found: gpu.GpusReading) -> list[Series]:
        """Made once of a reading, however many scrapes it is handed on to."""
        if self._gpus_told is None or self._gpus_told[0] is not found:
            self._gpus_told = found, list(gpu.families(found))
        return self._gpus_told[1]

    def _read_runs(self, now: float, left: Callable[[], float]) -> runs.RunsReading:
        return self._runs.read(now, self._boot_id, left())

    @cached_property
    def _boot_id(self) -> str:
        return system.boot_id(self._proc)

    def _read_checkpoints(
        self, found: runs.RunsReading | None, now: float, left: Callable[[], float]
    ) -> checkpoints.CheckpointsReading:
        if found is None:
            raise TrainwardenError("the runs whose checkpoints these are could not be read")
        return self._checkpoints.read([run.spec for run in found.runs], now, left())
