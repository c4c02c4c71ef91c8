"""The families of checkpoints."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from trainwarden import names
from trainwarden.collectors.base import metric
from trainwarden.collectors.checkpoints.folder import RunCheckpoints
from trainwarden.model import Checkpoint, Verdict
from trainwarden.names import Family
from trainwarden.series import Series

_OF_NEWEST: tuple[tuple[Family, str], ...] = (
    (names.CHECKPOINT_LAST, "modified_at"),
    (names.CHECKPOINT_LAST_SIZE, "size_bytes"),
    (names.CHECKPOINT_LAST_EPOCH, "epoch"),
    (names.CHECKPOINT_LAST_STEP, "step"),
)
_OF_DISK: tuple[tuple[Family, str], ...] = (
    (names.CHECKPOINT_DISK_SIZE, "size_bytes"),
    (names.CHECKPOINT_DISK_FREE, "available_bytes"),
    (names.CHECKPOINT_INODES, "inodes"),
    (names.CHECKPOINT_INODES_FREE, "available_inodes"),
)


def families(runs: Iterable[RunCheckpoints]) -> Iterator[Series]:
    """Every family of checkpoints; of a folder that could not be listed only that, and what room there is."""
    runs = list(runs)
    yield from metric(names.CHECKPOINT_FOLDER_UP, (((run.run,), run.folder_up) for run in runs))
    listed = [((run.run,), counted(run.checkpoints)) for run in runs if run.folder_up]
    yield from metric(names.CHECKPOINTS, ((run, len(found)) for run, found in listed))
    yield from metric(names.CHECKPOINTS_VALID, ((run, len(_valid(found))) for run, found in listed))
    for family, field in _OF_NEWEST:
        yield from metric(family, ((run, getattr(_newest(found), field, None)) for run, found in listed))
    for family, field in _OF_DISK:
        yield from metric(family, (((run.run,), getattr(run.disk, field, None)) for run in runs))
    yield from metric(names.RUN_SAMPLE_IMAGES, (((run.run,), run.samples) for run in runs))
    valid = ((run, _newest(_valid(found))) for run, found in listed)
    yield from metric(names.CHECKPOINT_LAST_VALID_TIME, ((run, c.modified_at) for run, c in valid if c))
    settled = ((run, _newest(_settled(found))) for run, found in listed)
    yield from metric(names.CHECKPOINT_LAST_VALID, ((run, c.verdict == Verdict.VALID) for run, c in settled if c))


def saves_apart(runs: Iterable[RunCheckpoints]) -> dict[str, float]:
    """Of each run that still has two saves, the longest time between two that follow each other, in seconds.

    The longest, because who saves by epochs and by steps saves at uneven times. What a restart lay in between of counts
    as well, until it has been rotated away: then an alert is late, and never false. What the run was launched from does
    not: days may lie behind it.
    """
    written = {run.run: sorted(_written_by(run)) for run in runs}
    return {run: max(b - a for a, b in pairwise(times)) for run, times in written.items() if len(times) > 1}


def _written_by(run: RunCheckpoints) -> Iterator[float]:
    """When the run saved, without what it was launched from."""
    return (found.modified_at for found in counted(run.checkpoints) if found.modified_at >= run.launched_at)


def counted(found: Iterable[Checkpoint]) -> list[Checkpoint]:
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
