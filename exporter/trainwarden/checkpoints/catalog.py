"""A run's checkpoints, newest first, each with a verdict; and the one to go on from.

A verdict is remembered for as long as no file of the checkpoint changes, so that a scrape costs a directory listing.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.model import Checkpoint, Verdict

Checkpoints = list[Checkpoint]
_NOTHING: Mapping[str, str] = MappingProxyType({})
Signature = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and modification time (ns) of every file of a checkpoint."""
Verify = Callable[[Found, Signature], str | None]
"""What reading a checkpoint of that signature said: empty where it is whole, else the fault; None: not known yet."""


class _Look(NamedTuple):
    """What was seen of a checkpoint at the last look."""

    signature: Signature
    fault: str | None
    """None: not read yet."""


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
        self._recipe = recipe
        self._folder = folder
        self._output_name = output_name
        self._settle = settle
        self._found_at_launch = found_at_launch
        self._verify: Verify = verify or (lambda found, _: recipe.verify(found))
        self._looks: dict[Path, _Look] = {}

    def list(self, now: float) -> Checkpoints:
        """Everything in the folder, newest training position first. Raises ``CheckpointError``; ``now`` in Unix s."""
        checkpoints, looks = [], {}
        for found in self._recipe.find(self._folder, self._output_name):
            try:
                signature, modified_at = _sign(found.path)
            except FileNotFoundError:  # rotated away since the listing
                continue
            look = self._look(found, signature, abs(now - modified_at) < self._settle)
            looks[found.path] = look
            earlier = self._found_at_launch.get(str(found.path)) == _digest(signature)
            checkpoints.append(_checkpoint(found, look, modified_at, earlier))
        self._looks = looks
        return checkpoints

    def _look(self, found: Found, signature: Signature, young: bool) -> _Look:
        last = self._looks.get(found.path)
        changed = last is not None and last.signature != signature
        if young or changed:
            return _Look(signature, None)
        if last is not None and last.fault is not None:
            return last
        return _Look(signature, self._verify(found, signature))


def found_in(recipe: Recipe, folder: Path, output_name: str | None) -> dict[str, str]:
    """Path and signature of every checkpoint in the folder. Raises ``CheckpointError``."""
    return {str(found.path): _digest(_sign(found.path)[0]) for found in recipe.find(folder, output_name)}


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


def _sign(path: Path) -> tuple[Signature, float]:
    """The signature, and when the file written last was written (for an empty folder: the folder)."""
    files = [path] if path.is_file() else sorted(inner for inner in path.rglob("*") if inner.is_file())
    stats = {str(file): file.stat() for file in files}
    signature = tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats.items())
    return signature, max(s.st_mtime for s in (stats.values() or [path.stat()]))


def _digest(signature: Signature) -> str:
    return hashlib.sha256(repr(signature).encode(errors="surrogateescape")).hexdigest()


def _checkpoint(found: Found, look: _Look, modified_at: float, earlier: bool) -> Checkpoint:
    return Checkpoint(
        path=str(found.path),
        epoch=found.epoch,
        step=found.step,
        final=found.final,
        resumable=found.resumable,
        modified_at=modified_at,
        size_bytes=sum(size for _, _, size, _ in look.signature),
        verdict=_verdict(look.fault),
        reason=look.fault or "",
        earlier=earlier,
    )


def _verdict(fault: str | None) -> Verdict:
    if fault is None:
        return Verdict.UNSETTLED
    return Verdict.INVALID if fault else Verdict.VALID
