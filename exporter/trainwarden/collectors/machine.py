"""One scrape: every sensor read once, in the order in which they need each other."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path

from trainwarden import names, system
from trainwarden.collectors import checkpoints, gpu, host, runs, thresholds
from trainwarden.collectors.base import Watch, metric, watch_families
from trainwarden.config import Config
from trainwarden.deadline import Deadline
from trainwarden.series import Series

log = logging.getLogger(__name__)

GPU_DEADLINE = 2.0
CHECKPOINT_DEADLINE = 5.0
"""Together they must stay below Prometheus' scrape timeout of 10 s. The first verifying of a large checkpoint may
take longer: it goes on meanwhile, and is remembered."""


class Machine:
    """What this machine and its runs look like now, read anew for every scrape."""

    def __init__(
        self, config: Config, runs_root: Path, proc: Path = system.PROC, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._runs_root = runs_root
        self._proc = proc
        self._clock = clock
        self._driver = gpu.Driver()
        self._checkpoints = checkpoints.Checkpoints()
        self._gpu_deadline: Deadline[gpu.GpusReading] = Deadline("the NVIDIA driver", GPU_DEADLINE)
        self._checkpoint_deadline: Deadline[checkpoints.CheckpointsReading] = Deadline(
            "a checkpoint folder", CHECKPOINT_DEADLINE
        )
        self._watches = [Watch(name) for name in ("host", "gpu", "runs", "checkpoints", "thresholds")]

    def collect(self) -> Iterator[Series]:
        """Read everything and yield every family."""
        now = self._clock()
        watch_host, watch_gpu, watch_runs, watch_checkpoints, watch_thresholds = self._watches
        yield from metric(names.BUILD_INFO, [((version("trainwarden"),), 1)])
        if found_host := watch_host.read(partial(host.read, self._proc), now):
            yield from host.families(found_host)
        if found_gpus := watch_gpu.read(partial(self._gpu_deadline.run, self._driver.read), now):
            yield from gpu.families(found_gpus)
        found_runs = watch_runs.read(partial(self._read_runs, now), now) or runs.RunsReading()
        yield from runs.families(found_runs)
        if found_checkpoints := watch_checkpoints.read(partial(self._read_checkpoints, found_runs, now), now):
            yield from checkpoints.families(found_checkpoints)
        if found_thresholds := watch_thresholds.read(partial(thresholds.read, self._config, found_runs.runs), now):
            yield from thresholds.families(found_thresholds)
        yield from watch_families(self._watches)

    def _read_runs(self, now: float) -> runs.RunsReading:
        return runs.read(self._runs_root, now, system.boot_id(self._proc), self._driver.known)

    def _read_checkpoints(self, found: runs.RunsReading, now: float) -> checkpoints.CheckpointsReading:
        specs = [run.spec for run in found.runs]
        return self._checkpoint_deadline.run(partial(self._checkpoints.read, specs, now))
