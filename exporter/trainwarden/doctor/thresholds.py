"""``trainwarden thresholds``: the table in force, read and resolved by the exporter's own code."""

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from trainwarden import guide, system, units
from trainwarden.collectors import checkpoints, runs, thresholds
from trainwarden.config import Config, RunConfig, run_thresholds
from trainwarden.errors import RunFolderError
from trainwarden.guide import Source
from trainwarden.runs.folder import runs_root

_UNITS = {
    "_ratio": "ratio",
    "_bytes": "bytes",
    "_bytes_per_second": "bytes_per_second",
    "_seconds": "seconds",
    "_celsius": "celsius",
}
_STYLES = {Source.MACHINE: "yellow", Source.RUN: "yellow", Source.PROFILE: "cyan", Source.RHYTHM: "cyan"}
"""Where a number is not the guide's own."""


_NARROW = 100
"""Columns of a terminal below which a line does not hold a whole threshold."""


class Row(Struct, frozen=True):
    """One threshold in force."""

    signal: str
    level: str
    value: float
    unit: str
    """Of ``value``: ``ratio`` (0 to 1), ``bytes``, ``bytes_per_second``, ``seconds``, ``celsius``, ``number``."""
    source: Source
    where: str
    meaning: str


class InForce(NamedTuple):
    """Everything in force; each table as it is exported, in the guide's order."""

    machine: list[Row]
    runs: dict[str, list[Row]]
    notes: list[str]
    """What somebody who reads the tables should know besides, a sentence each."""


def show(config: Config, name: str | None, *, as_json: bool) -> None:
    """Print the machine's table and every run's, or only the run's of this name. Raises ``RunFolderError``."""
    found = of_one(config, name) if name else of_all(config)
    if as_json:
        tables = {"machine": found.machine, "runs": found.runs} if name is None else {"runs": found.runs}
        print(msgspec.json.format(msgspec.json.encode(tables), indent=2).decode())
    else:
        _print(found)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)


def of_all(config: Config, root: Path | None = None) -> InForce:
    """The machine's thresholds and those of every run whose series are exported now."""
    found = _read(config, root)
    every = [run.spec for run in found.runs]
    saved = checkpoints.Checkpoints().read(every, time.time())
    reading = thresholds.read(config, found.runs, checkpoints.saves_apart(saved.runs))
    tables = {name: _rows(table, guide.RUN) for name, table in reading.runs.items()}
    notes = [*found.faults, *(note for spec in every for note in _next_launch(config, spec.name, spec.thresholds))]
    return InForce(_rows(reading.machine, guide.MACHINE), tables, notes)


def of_one(config: Config, name: str, root: Path | None = None) -> InForce:
    """Those of one run; of one that ``runs:`` declares and nobody has launched yet, as a launch would have them.

    Raises ``RunFolderError`` for a name that is neither.
    """
    every = of_all(config, root)
    if name in every.runs:
        notes = [note for note in every.notes if f"'{name}'" in note]
        return InForce([], {name: every.runs[name]}, notes)
    if name in config.runs:
        entry = config.runs[name]
        table = run_thresholds(config, entry.profile or "balanced", entry.thresholds, None)
        return InForce([], {name: _rows(table, guide.RUN)}, [f"run '{name}' is not launched yet: so it would be"])
    known = ", ".join(sorted({*every.runs, *config.runs})) or "none yet"
    raise RunFolderError(f"there is no run '{name}' in {root or runs_root()} or trainwarden.yml; runs: {known}")


def _read(config: Config, root: Path | None) -> runs.RunsReading:
    return runs.Runs(root or runs_root(), config.exporter.keep_ended).read(time.time(), system.boot_id())


def _rows(table: guide.Table, known: tuple[guide.Threshold, ...]) -> list[Row]:
    return [_row(threshold, table[threshold.signal, threshold.level]) for threshold in known]


def _row(threshold: guide.Threshold, in_force: guide.InForce) -> Row:
    unit = next((unit for suffix, unit in _UNITS.items() if threshold.signal.endswith(suffix)), "number")
    return Row(
        threshold.signal, threshold.level, in_force.value, unit, in_force.source, in_force.where, threshold.meaning
    )


def _next_launch(config: Config, name: str, given: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """What ``trainwarden.yml`` says of a run otherwise than its ``run.json``, which its launch has written."""
    entry = config.runs.get(name, RunConfig())
    for signal, levels in entry.thresholds.items():
        for level, value in levels.items():
            if given.get(signal, {}).get(level) != value:
                place = f"runs.{name}.thresholds.{signal}.{level} in trainwarden.yml"
                yield f"run '{name}': {place} ({units.of(value, signal)}) holds from the next launch on"


def _print(found: InForce) -> None:
    console = Console()
    if found.machine:
        console.print(_table("this machine", found.machine, narrow=console.width < _NARROW))
    for name, rows in found.runs.items():
        console.print(_table(f"run {name}", rows, narrow=console.width < _NARROW))


def _table(title: str, rows: list[Row], *, narrow: bool) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    # Never cut, for one writes it into trainwarden.yml: a narrow terminal has the level below its signal.
    signal = max(len(row.signal) for row in rows) + 1
    table.add_column("threshold", overflow="fold", width=signal if narrow else None)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    table.add_column("source", overflow="fold")
    for row in rows:
        source = row.where if row.source == Source.TRAINWARDEN else f"{row.source.value}: {row.where}"
        source = row.where if row.source == Source.GUIDE else source
        style = _STYLES.get(row.source)
        table.add_row(f"{row.signal}: {row.level}", units.of(row.value, row.signal), row.meaning, source, style=style)
    return table
