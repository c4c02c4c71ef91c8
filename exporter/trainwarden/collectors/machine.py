"""One scrape: every sensor read once. What can hang is read beside the rest, and waited for no longer than a moment."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Protocol

from trainwarden import names, system
from trainwarden.collectors import checkpoints, gpu, host, runs, thresholds
from trainwarden.collectors.base import Begun, Watch, metric, watch_families
from trainwarden.collectors.gpu import processes
from trainwarden.config import Config
from trainwarden.errors import TrainwardenError
from trainwarden.series import Series
from trainwarden.version import VERSION

SCRAPE_SECONDS = 0.8
"""For all sensors together: a scrape answers within a second, whatever hangs. Each sensor has its share of it.

What takes longer goes on meanwhile, and the scrape in which it is done has it.
"""
HEALTHY_GPU_SECONDS = 0.05
"""For which everything else waits while the GPUs are read: two threads that share one interpreter read slower than
one after the other. A driver that takes longer is read beside the rest."""


class GpuSensor(Protocol):
    """What reads the GPUs."""

    known: dict[str, int]
    """Index by UUID of every card that was ever up."""

    def begin(self, seconds: float, *, anew: bool) -> Begun[gpu.GpusReading]:
        """Begin to read all cards within so many seconds, or hand on a reading of a moment ago. Never raises."""


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
        self._runs = runs.Runs(runs_root, config.exporter.keep_ended)
        self._checkpoints = checkpoints.Checkpoints(read_disk)
        self._watches = [Watch(name) for name in ("host", "gpu", "runs", "checkpoints", "thresholds")]

    def collect(self, deadline_seconds: float | None = None, *, anew: bool = False) -> list[Series]:
        """Read everything, and answer with every family within a second; ``deadline_seconds`` can only tighten that.

        One scrape at a time: a further one waits for its turn, and then reads anew; the GPUs only where the last
        reading of them is not of a moment ago, or where they are to be read ``anew`` as well.
        """
        with self._turn:
            until = time.monotonic() + min(SCRAPE_SECONDS, math.inf if deadline_seconds is None else deadline_seconds)
            return list(self._read(self._clock(), lambda: until - time.monotonic(), anew=anew))

    def _read(self, now: float, left: Callable[[], float], *, anew: bool) -> Iterator[Series]:
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

        yield from metric(names.BUILD_INFO, [((VERSION,), 1)])
        if found_host:
            yield from host.families(found_host)
        if found_gpus:
            yield from self._gpu_families(found_gpus)
        if found_gpus and found_runs:
            yield from processes.families(
                found_gpus, found_runs, by_pid=self._config.exporter.gpu_pids, proc=self._proc, now=now
            )
        yield from runs.families(every, self._gpus.known)
        if found_checkpoints:
            yield from checkpoints.families(found_checkpoints.runs)
        if found_thresholds:
            yield from thresholds.families(found_thresholds)
        yield from watch_families(self._watches)

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
