"""A run's checkpoints, newest first, each with a verdict; and the one to go on from.

A look costs little however many there are: the folder is listed anew when it has changed, a verdict is remembered for
as long as no file of the checkpoint changes, and of the many that are neither new nor near the end of the training
only some are asked for changes at each look.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.model import Checkpoint, Verdict

Checkpoints = list[Checkpoint]
_NOTHING: Mapping[str, str] = MappingProxyType({})
Signature = tuple[tuple[str, int, int, int], ...]
"""Name within the checkpoint, inode, size and modification time (ns) of each of its files."""
Verify = Callable[[Found, Signature], str | None]
"""What reading a checkpoint of that signature said: empty where it is whole, else the fault; None: not known yet."""
_NEWEST = 32
_SOME = 96
"""How many of the newest, and of the others, are asked for changes at each look."""
_COARSE_SECONDS = 2.0
"""Some file systems note times no finer: a folder that changed so lately may change again and keep its time."""
_RELIST_SECONDS = 30.0
"""A folder is listed so often though its time has not changed: a server's clock may stand still between two changes."""


class _Seen(NamedTuple):
    """A checkpoint at the last look."""

    signature: Signature
    checkpoint: Checkpoint


class Catalog:
    """The checkpoints of one run.

    ``settle``: seconds for which a new one is left alone, it may still be written. ``found_at_launch``: what
    ``found_in`` said before the first launch. ``verify``: for who cannot wait until a checkpoint has been read.
    """

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        output_name: str | None,
        settle: float,
        found_at_launch: Mapping[str, str] = _NOTHING,
        *,
        verify: Verify | None = None,
    ) -> None:
        self._settle = settle
        self._found_at_launch = found_at_launch
        self._verify: Verify = verify or (lambda found, _: recipe.verify(found))
        self._listing = _Listing(recipe, folder, output_name)
        self._seen: dict[str, _Seen] = {}
        self._looks = 0

    def list(self, now: float) -> Checkpoints:
        """Everything in the folder, newest training position first. Raises ``CheckpointError``; ``now`` in Unix s."""
        listed = self._listing.read(now)
        turns = len(listed) // _SOME + 1
        self._looks += 1
        before, self._seen = self._seen, {}
        for place, (path, found) in enumerate(listed):
            seen = before.get(path)
            if seen is None or place < _NEWEST or (place + self._looks) % turns == 0 or _is_open(seen):
                seen = self._look(path, found, seen, now)
            if seen is not None:
                self._seen[path] = seen
        return [seen.checkpoint for seen in self._seen.values()]

    def _look(self, path: str, found: Found, last: _Seen | None, now: float) -> _Seen | None:
        """What stands there now; None where it was rotated away since the listing."""
        try:
            signature, modified_at = _sign(path)
        except FileNotFoundError:
            return None
        young = abs(now - modified_at) < self._settle
        changed = last is not None and last.signature != signature
        if last is not None and not young and not changed and not _is_open(last):
            return last
        fault = None if young or changed else self._verify(found, signature)
        earlier = self._found_at_launch.get(path) == _digest(signature) if self._found_at_launch else False
        return _Seen(signature, _checkpoint(path, found, fault, signature, modified_at, earlier))


class _Listing:
    """The names in a run's folder, read anew when the folder has changed."""

    def __init__(self, recipe: Recipe, folder: Path, output_name: str | None) -> None:
        self._recipe = recipe
        self._folder = folder
        self._output_name = output_name
        self._mark: tuple[int, int] | None = None
        """Inode and time of the folder when it was listed; None where they do not tell of the next change."""
        self._read_at = 0.0
        self._listed: list[tuple[str, Found]] = []

    def read(self, now: float) -> list[tuple[str, Found]]:
        """Path and listing of each, newest first. Raises ``CheckpointError``."""
        mark, settled = self._look(now)
        if mark is None or mark != self._mark or abs(now - self._read_at) > _RELIST_SECONDS:
            found = self._recipe.find(self._folder, self._output_name)
            self._listed = [(str(one.path), one) for one in found]
            self._mark, self._read_at = mark if settled else None, now
        return self._listed

    def _look(self, now: float) -> tuple[tuple[int, int] | None, bool]:
        """Inode and time of the folder, and whether every later change will show in them."""
        if not self._recipe.flat:
            return None, False
        try:
            told = self._folder.stat()
        except OSError:  # listing it will say why
            return None, False
        return (told.st_ino, told.st_mtime_ns), now - told.st_mtime > _COARSE_SECONDS


def found_in(recipe: Recipe, folder: Path, output_name: str | None) -> dict[str, str]:
    """Path and signature of every checkpoint in the folder. Raises ``CheckpointError``."""
    signed = {}
    for found in recipe.find(folder, output_name):
        with suppress(FileNotFoundError):  # rotated away since the listing
            signed[str(found.path)] = _digest(_sign(str(found.path))[0])
    return signed


def is_eligible(checkpoint: Checkpoint) -> bool:
    """Whether the run may go on from it: found whole, exact, and the run's own.

    Times do not tell whose it is: the clock may lag at the launch, and who goes back to an earlier checkpoint has
    thrown the later ones away.
    """
    return checkpoint.resumable and checkpoint.verdict is Verdict.VALID and not checkpoint.earlier


def newest_valid(checkpoints: Checkpoints) -> Checkpoint | None:
    """The first that the run may go on from."""
    return next(filter(is_eligible, checkpoints), None)


def passed_over(checkpoints: Checkpoints, chosen: Checkpoint | None) -> list[str]:
    """One sentence for every checkpoint newer than ``chosen`` that would have been taken had it been whole."""
    newer = checkpoints[: checkpoints.index(chosen)] if chosen in checkpoints else checkpoints
    return [why_not(c) for c in newer if c.resumable or (c.final and c.verdict is not Verdict.VALID)]


def why_not(checkpoint: Checkpoint) -> str:
    """Why the run may not go on from it, in one sentence."""
    if checkpoint.earlier:
        return f"{checkpoint.path}: stood there before this run was launched, so an earlier run wrote it"
    if checkpoint.verdict is Verdict.INVALID:
        return checkpoint.reason
    if checkpoint.verdict is Verdict.UNSETTLED:
        return f"{checkpoint.path}: was still being written"
    if not checkpoint.resumable:
        return f"{checkpoint.path}: cannot be gone on from exactly"
    return f"{checkpoint.path}: is whole, and was not chosen"


def _is_open(seen: _Seen) -> bool:
    return seen.checkpoint.verdict is Verdict.UNSETTLED


def _sign(path: str) -> tuple[Signature, float]:
    """The signature, and when the file written last was written (for an empty folder: the folder)."""
    told = os.stat(path)  # noqa: PTH116  (a string each, for there may be thousands)
    if not stat.S_ISDIR(told.st_mode):
        return (("", told.st_ino, told.st_size, told.st_mtime_ns),), told.st_mtime
    files = sorted(_files(path, ""))
    signature = tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in files)
    return signature, max((s.st_mtime for _, s in files), default=told.st_mtime)


def _files(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Every file below, by its name from the top."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name, entry.stat()


def _digest(signature: Signature) -> str:
    """Without inodes, which some network mounts number anew: what stood there at the launch would look new."""
    content = [(name, size, modified_at) for name, _, size, modified_at in signature]
    return hashlib.sha256(repr(content).encode(errors="surrogateescape")).hexdigest()


def _checkpoint(
    path: str, found: Found, fault: str | None, signature: Signature, modified_at: float, earlier: bool
) -> Checkpoint:
    return Checkpoint(
        path=path,
        epoch=found.epoch,
        step=found.step,
        final=found.final,
        resumable=found.resumable,
        modified_at=modified_at,
        size_bytes=sum(size for _, _, size, _ in signature),
        verdict=_verdict(fault),
        reason=fault or "",
        earlier=earlier,
    )


def _verdict(fault: str | None) -> Verdict:
    if fault is None:
        return Verdict.UNSETTLED
    return Verdict.INVALID if fault else Verdict.VALID
