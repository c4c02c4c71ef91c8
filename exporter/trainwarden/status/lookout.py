"""One look at everything: the exporter's collectors, the runs' folders, and the processes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from trainwarden import config as configuration
from trainwarden import system
from trainwarden.collectors import runs as found_runs
from trainwarden.collectors.machine import Look, Machine
from trainwarden.config import Config
from trainwarden.errors import TrainwardenError
from trainwarden.model import Verdict
from trainwarden.status.beside import Beside, Besides
from trainwarden.status.machine import machine as told_machine
from trainwarden.status.pace import Paces
from trainwarden.status.processes import Processes
from trainwarden.status.readings import Readings
from trainwarden.status.report import Fault, Process, Report, Run, worst
from trainwarden.status.runs import Scene, newest

PATIENCE_SECONDS = 3.0
"""For the first look: a driver may take a second to open, and large checkpoints are read beside the looks."""
_AGAIN_SECONDS = 0.1


class Lookout:
    """Looks again and again, and remembers what need not be read anew."""

    def __init__(
        self,
        config: Config,
        root: Path,
        proc: Path = system.PROC,
        clock: Callable[[], float] = time.time,
        *,
        machine: Machine | None = None,
    ) -> None:
        logging.getLogger("trainwarden").addHandler(logging.NullHandler())  # faults stand in the report
        self._config = config
        self._clock = clock
        self._machine = machine or Machine(config, root, proc, clock)
        self._besides = Besides(root)
        self._processes = Processes(proc)
        self._paces = Paces()
        self._patience = PATIENCE_SECONDS

    def look(self) -> Report:
        """Everything as it stands now. The first look waits a moment for what is still being read."""
        look, until = self._machine.look(), time.monotonic() + self._patience
        while not self._is_whole(look) and time.monotonic() < until:
            time.sleep(_AGAIN_SECONDS)
            look = self._machine.look()
        self._patience = 0.0
        return self._report(look)

    def _is_whole(self, look: Look) -> bool:
        """Whether another look a moment later would tell no more than this one."""
        settle = {run.name: run.spec.limits.checkpoint_settle for run in look.runs}
        unread = (
            checkpoint.verdict is Verdict.UNSETTLED and self._clock() - checkpoint.modified_at > settle[saved.run]
            for saved in look.checkpoints
            for checkpoint in newest(saved.checkpoints)
        )
        return not look.timeouts and not any(unread)

    def _report(self, look: Look) -> Report:
        readings, besides = Readings(look.series), self._besides.read(look.runs)
        self._paces.look(look.runs, self._clock())
        machine = told_machine(readings)
        told = {run.name: self._run(readings, run, look, besides[run.name]) for run in look.runs}
        processes, silent = self._read_processes(look.runs)
        faults = [Fault(collector, fault) for collector, fault in look.faults]
        faults += [Fault("runs", beside.fault) for beside in besides.values() if beside.fault]
        level = worst([machine.level, *(run.level for run in told.values())])
        return Report(
            at=self._clock(),
            level=level,
            machine=machine,
            runs=told,
            processes=processes,
            faults=[*faults, *silent],
        )

    def _run(self, readings: Readings, run: found_runs.Run, look: Look, beside: Beside) -> Run:
        saved = next((found for found in look.checkpoints if found.run == run.name), None)
        return Scene(
            readings,
            run,
            saved,
            beside,
            step_seconds=self._paces.step_seconds(run),
            observed=configuration.is_observed(self._config, run.name),
            now=self._clock(),
            since_boot=system.monotonic(),
        ).tell()

    def _read_processes(self, every: tuple[found_runs.Run, ...]) -> tuple[list[Process], list[Fault]]:
        try:
            return self._processes.read(every), []
        except (OSError, TrainwardenError) as error:
            return [], [Fault("processes", str(error))]
