"""One run's checkpoint folder: what was saved, the sample images beside it, and the file system beneath."""

import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from trainwarden.checkpoints import recipe_of
from trainwarden.checkpoints.base import Recipe
from trainwarden.checkpoints.catalog import Catalog
from trainwarden.collectors.checkpoints.verifier import Verifier
from trainwarden.errors import CheckpointError, ConfigurationError
from trainwarden.model import Checkpoint, RunSpec

_COARSE_SECONDS = 2.0
"""Some file systems note times no finer: a folder that changed so lately may change again and keep its time."""


class Disk(Struct, frozen=True, kw_only=True):
    """A file system, as an ordinary user sees it."""

    size_bytes: int
    available_bytes: int
    inodes: int | None
    """None: it has no limit (Btrfs, say)."""
    available_inodes: int | None


DiskReader = Callable[[Path], Disk]
"""Of a folder."""


class RunCheckpoints(Struct, frozen=True, kw_only=True):
    """What stands in the checkpoint folder of one run."""

    run: str
    folder_up: bool
    """Whether the folder could be listed; before the first save it may not be there."""
    checkpoints: tuple[Checkpoint, ...] = ()
    """Without those that stood there before the run."""
    launched_at: float = 0.0
    """Unix seconds; an older one was written by the run that this one goes on from. 0: it was attached, and all are its
    own."""
    samples: int | None = None
    """Sample images; None where the trainer draws none, or has drawn none yet."""
    disk: Disk | None = None
    """The file system of the folder, or of the one in which it is to be made."""


class CheckpointFolder:
    """The checkpoint folder of one run, looked at by one thread at a time.

    Raises ``CheckpointError`` where the run's recipe is unknown here.
    """

    def __init__(self, spec: RunSpec, read_disk: DiskReader) -> None:
        try:
            recipe = recipe_of(spec)
        except ConfigurationError as error:
            raise CheckpointError(f"{error}; launch it anew") from error
        self._run = spec.name
        self._launched_at = 0.0 if spec.attached else spec.created_at
        self._path = Path(spec.checkpoints or "")
        self._read_disk = read_disk
        self._verifier = Verifier(recipe.verify)
        self._catalog = _catalog(spec, recipe, self._path, self._verifier)
        self._samples = _Samples(self._path / recipe.samples) if recipe.samples else None

    @property
    def slow(self) -> str:
        """A sentence where verifying one checkpoint takes suspiciously long; else empty."""
        return self._verifier.slow

    def look(self, now: float, until: float) -> RunCheckpoints:
        """List it, and wait for verdicts until that moment (``time.monotonic``). Raises ``CheckpointError``, OSError.

        May never return where the file system does not answer.
        """
        disk = self._read_disk(self._path)
        if not self._path.is_dir():
            return RunCheckpoints(run=self._run, folder_up=False, disk=disk)
        with self._verifier.waiting(until):
            found = self._catalog.list(now)
        return RunCheckpoints(
            run=self._run,
            folder_up=True,
            checkpoints=tuple(checkpoint for checkpoint in found if not checkpoint.earlier),
            launched_at=self._launched_at,
            samples=self._samples.count(now) if self._samples else None,
            disk=disk,
        )


def _catalog(spec: RunSpec, recipe: Recipe, folder: Path, verifier: Verifier) -> Catalog:
    settle = spec.limits.checkpoint_settle
    return Catalog(recipe, folder, spec.output_name, settle, spec.found_at_launch, verify=verifier.verdict)


def disk_of(folder: Path) -> Disk:
    """The file system of the folder, or of the one in which it is to be made. Raises OSError, or may never return."""
    try:
        told = os.statvfs(folder)
    except FileNotFoundError:  # the trainer makes the folder at its first save
        return disk_of(folder.parent)
    return Disk(
        size_bytes=told.f_blocks * told.f_frsize,
        available_bytes=told.f_bavail * told.f_frsize,
        inodes=told.f_files or None,
        available_inodes=told.f_favail if told.f_files else None,
    )


class _Samples:
    """Counts the files of one folder, and does so anew when the folder has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted: tuple[int, int] | None = None
        """Inode and time of the folder when its files were last counted."""
        self._count = 0

    def count(self, now: float) -> int | None:
        """How many there are; None without the folder. Raises OSError."""
        try:
            folder = os.stat(self._folder)  # noqa: PTH116  (once a run and scrape)
        except FileNotFoundError:
            return None
        mark = folder.st_ino, folder.st_mtime_ns
        if mark != self._counted:
            with os.scandir(self._folder) as entries:
                self._count = sum(entry.is_file() for entry in entries)
            settled = now - folder.st_mtime > _COARSE_SECONDS
            self._counted = mark if settled else None
        return self._count
