"""Every threshold in force, as a series: the rules and dashboards compare with these and hold no number themselves."""

from collections.abc import Iterable, Iterator, Mapping

from trainwarden import names
from trainwarden.collectors.base import Reading, metric
from trainwarden.collectors.runs import Run
from trainwarden.config import Config, machine_thresholds, run_thresholds
from trainwarden.guide import Table
from trainwarden.series import Series


class ThresholdsReading(Reading, frozen=True, kw_only=True):
    """Of the machine, and of each run by its name."""

    machine: Table
    runs: Mapping[str, Table]


def read(config: Config, runs: Iterable[Run], saves_apart: Mapping[str, float]) -> ThresholdsReading:
    """Resolve the guide's numbers, the machine's overrides, and each run's profile, rhythm and overrides.

    ``saves_apart``: seconds between the saves of the runs of which that is known, by name.
    """
    tables = {run.name: _of(config, run, saves_apart.get(run.name)) for run in runs}
    return ThresholdsReading(machine=machine_thresholds(config), runs=tables)


def _of(config: Config, run: Run, saves_apart_seconds: float | None) -> Table:
    median = run.progress.median_step_seconds if run.progress else None
    return run_thresholds(config, run.spec.profile, run.spec.thresholds, median, saves_apart_seconds)


def families(reading: ThresholdsReading) -> Iterator[Series]:
    """One series a threshold."""
    yield from metric(names.THRESHOLD, ((key, in_force.value) for key, in_force in reading.machine.items()))
    of_runs = reading.runs.items()
    yield from metric(
        names.RUN_THRESHOLD,
        (((run, *key), in_force.value) for run, table in of_runs for key, in_force in table.items()),
    )
