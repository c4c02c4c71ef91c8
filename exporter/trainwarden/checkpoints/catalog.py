"""A run's checkpoints, newest first, each with a verdict; and the one to go on from.

A verdict is remembered for as long as no file of the checkpoint changes, so that a scrape costs a directory listing.
"""

from pathlib import Path
from typing import NamedTuple

from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.model import Checkpoint, Verdict

Checkpoints = list[Checkpoint]
_Signature = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and modification time (ns) of every file of a checkpoint."""


class _Look(NamedTuple):
    """What was seen of a checkpoint at the last look."""

    signature: _Signature
    fault: str | None
    """None: not read yet."""


class Catalog:
    """The checkpoints of one run. ``settle``: seconds for which a new one is left alone, it may still be written."""

    def __init__(self, recipe: Recipe, folder: Path, output_name: str | None, settle: float) -> None:
        self._recipe = recipe
        self._folder = folder
        self._output_name = output_name
        self._settle = settle
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
            checkpoints.append(_checkpoint(found, look, modified_at))
        self._looks = looks
        return checkpoints

    def _look(self, found: Found, signature: _Signature, young: bool) -> _Look:
        last = self._looks.get(found.path)
        changed = last is not None and last.signature != signature
        if young or changed:
            return _Look(signature, None)
        if last is not None and last.fault is not None:
            return last
        return _Look(signature, self._recipe.verify(found))


def newest_valid(checkpoints: Checkpoints, since: float = 0.0) -> Checkpoint | None:
    """The first that was found whole and can be gone on from exactly.

    ``since``: when the run was first launched. A checkpoint that was last written before that belongs to an earlier run
    of the same name in the same folder. Leave it at 0 where the run's own command resumes from a checkpoint.
    """
    return next((c for c in checkpoints if c.resumable and c.verdict is Verdict.VALID and c.modified_at >= since), None)


def passed_over(checkpoints: Checkpoints, chosen: Checkpoint | None, since: float = 0.0) -> list[str]:
    """One sentence for every checkpoint newer than ``chosen`` that would have been taken had it been whole."""
    newer = checkpoints[: checkpoints.index(chosen)] if chosen in checkpoints else checkpoints
    return [_why_not(c, since) for c in newer if c.resumable or (c.final and c.verdict is not Verdict.VALID)]


def _why_not(checkpoint: Checkpoint, since: float) -> str:
    if checkpoint.verdict is Verdict.INVALID:
        return checkpoint.reason
    if checkpoint.verdict is Verdict.UNSETTLED:
        return f"{checkpoint.path}: was still being written"
    if checkpoint.modified_at < since:
        return f"{checkpoint.path}: is older than this run, so an earlier run wrote it"
    return f"{checkpoint.path}: is whole, and was not chosen"


def _sign(path: Path) -> tuple[_Signature, float]:
    """The signature, and when the file written last was written (for an empty folder: the folder)."""
    files = [path] if path.is_file() else sorted(inner for inner in path.rglob("*") if inner.is_file())
    stats = {str(file): file.stat() for file in files}
    signature = tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats.items())
    return signature, max(s.st_mtime for s in (stats.values() or [path.stat()]))


def _checkpoint(found: Found, look: _Look, modified_at: float) -> Checkpoint:
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
    )


def _verdict(fault: str | None) -> Verdict:
    if fault is None:
        return Verdict.UNSETTLED
    return Verdict.INVALID if fault else Verdict.VALID
