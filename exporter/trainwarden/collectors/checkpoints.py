"""The runs' checkpoints: how many, how old, how large, and whether the newest is whole."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from trainwarden import names
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import Catalog
from trainwarden.collectors.base import Reading, metric
from trainwarden.errors import CheckpointError
from trainwarden.model import Checkpoint, RunSpec, Verdict
from trainwarden.names import Family
from trainwarden.series import Series


class RunCheckpoints(Struct, frozen=True, kw_only=True):
    """The checkpoints of one run whose folder is known."""

    run: str
    folder_up: bool
    """Whether the folder could be listed; before the first save it may not be there."""
    checkpoints: tuple[Checkpoint, ...] = ()


class CheckpointsReading(Reading, frozen=True, kw_only=True):
    """By run."""

    runs: tuple[RunCheckpoints, ...] = ()


class Checkpoints:
    """Looks through the runs' checkpoint folders, and remembers from look to look what it has verified."""

    def __init__(self) -> None:
        self._catalogs: dict[str, tuple[RunSpec, Catalog]] = {}

    def read(self, specs: Iterable[RunSpec], now: float) -> CheckpointsReading:
        """Look through the folder of every run that has one."""
        known = [spec for spec in specs if spec.checkpoints is not None]
        self._catalogs = {spec.name: self._catalogs[spec.name] for spec in known if spec.name in self._catalogs}
        found = [self._read_run(spec, now) for spec in known]
        return CheckpointsReading(
            runs=tuple(run for run, _ in found), faults=tuple(fault for _, fault in found if fault)
        )

    def _read_run(self, spec: RunSpec, now: float) -> tuple[RunCheckpoints, str]:
        """One run's checkpoints, and the fault or nothing."""
        absent = RunCheckpoints(run=spec.name, folder_up=False)
        if not Path(spec.checkpoints or "").is_dir():
            return absent, ""
        try:
            found = tuple(self._catalog(spec).list(now))
        except (CheckpointError, OSError) as error:
            return absent, f"run {spec.name}: {error}"
        return RunCheckpoints(run=spec.name, folder_up=True, checkpoints=found), ""

    def _catalog(self, spec: RunSpec) -> Catalog:
        remembered, catalog = self._catalogs.get(spec.name, (None, None))
        if catalog is None or remembered != spec:
            catalog = _new_catalog(spec)
            self._catalogs[spec.name] = (spec, catalog)
        return catalog


def _new_catalog(spec: RunSpec) -> Catalog:
    recipe = RECIPES.get(spec.recipe)
    if recipe is None:
        raise CheckpointError(f"its recipe '{spec.recipe}' is not one of {', '.join(RECIPES)}; launch it anew")
    return Catalog(recipe, Path(spec.checkpoints or ""), spec.output_name, spec.limits.checkpoint_settle)


_OF_NEWEST: tuple[tuple[Family, str], ...] = (
    (names.CHECKPOINT_LAST, "modified_at"),
    (names.CHECKPOINT_LAST_SIZE, "size_bytes"),
    (names.CHECKPOINT_LAST_EPOCH, "epoch"),
)


def families(reading: CheckpointsReading) -> Iterator[Series]:
    """Every family of checkpoints; of a folder that could not be listed only that it could not."""
    runs = reading.runs
    yield from metric(names.CHECKPOINT_FOLDER_UP, (((run.run,), run.folder_up) for run in runs))
    listed = [((run.run,), _counted(run.checkpoints)) for run in runs if run.folder_up]
    yield from metric(names.CHECKPOINTS, ((run, len(found)) for run, found in listed))
    yield from metric(names.CHECKPOINTS_VALID, ((run, len(_valid(found))) for run, found in listed))
    for family, field in _OF_NEWEST:
        yield from metric(family, ((run, getattr(_newest(found), field, None)) for run, found in listed))
    valid = ((run, _newest(_valid(found))) for run, found in listed)
    yield from metric(names.CHECKPOINT_LAST_VALID_TIME, ((run, c.modified_at) for run, c in valid if c))
    settled = ((run, _newest(_settled(found))) for run, found in listed)
    yield from metric(names.CHECKPOINT_LAST_VALID, ((run, c.verdict == Verdict.VALID) for run, c in settled if c))


def _counted(found: Iterable[Checkpoint]) -> list[Checkpoint]:
    """What a restart could go on from, and what the end left; weights alone count only where there is no more.

    Else whole weights would hide that the state saved with them is damaged.
    """
    every = list(found)
    useful = [checkpoint for checkpoint in every if checkpoint.resumable or checkpoint.final]
    return useful if any(checkpoint.resumable for checkpoint in every) else every


def _newest(found: Iterable[Checkpoint]) -> Checkpoint | None:
    """The one that was written last; after a resume from further back that is not the furthest."""
    return max(found, key=lambda checkpoint: checkpoint.modified_at, default=None)


def _valid(found: Iterable[Checkpoint]) -> list[Checkpoint]:
    return [checkpoint for checkpoint in found if checkpoint.verdict == Verdict.VALID]


def _settled(found: Iterable[Checkpoint]) -> list[Checkpoint]:
    return [checkpoint for checkpoint in found if checkpoint.verdict != Verdict.UNSETTLED]
