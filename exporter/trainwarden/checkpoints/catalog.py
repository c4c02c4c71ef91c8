"""A run's checkpoints, newest first, each with a verdict; and the one to go on from.

A look costs little however many there are: the folder is listed anew when it has changed, a verdict is remembered for
as long as no file of the checkpoint changes, and of the many that are neither new nor near the end of the training
only some are asked for changes at each look.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.checkpoints.listing import Listing
from trainwarden.checkpoints.signature import Signature, marks, sign, stood
from trainwarden.model import Checkpoint, Verdict

Checkpoints = list[Checkpoint]
_NOTHING: Mapping[str, str] = MappingProxyType({})
Verify = Callable[[Found, Signature], str | None]
"""What reading a checkpoint of that signature said: empty where it is whole, else the fault; None: not known yet."""
_NEWEST = 32
_SOME = 96
"""How many of the newest, and of the others, are asked for changes at each look."""


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
        self._listing = Listing(recipe, folder, output_name)
        self._listed: list[tuple[str, Found]] = []
        self._seen: list[_Seen | None] = []
        """By place in the listing; None: not looked at yet, or rotated away since."""
        self._looks = 0

    def list(self, now: float) -> Checkpoints:
        """Everything in the folder, newest training position first. Raises ``CheckpointError``; ``now`` in Unix s."""
        listed = self._listing.read(now)
        if listed is not self._listed:
            before = {path: seen for (path, _), seen in zip(self._listed, self._seen, strict=True)}
            self._listed, self._seen = listed, [before.get(path) for path, _ in listed]
        for place in sorted(self._due()):
            path, found = listed[place]
            self._seen[place] = self._look(path, found, self._seen[place], now)
        return [seen.checkpoint for seen in self._seen if seen is not None]

    def _due(self) -> set[int]:
        """Who is looked at now: those that are new or not judged yet, the newest, and some of the others in turn."""
        many = len(self._seen)
        begin = self._looks * _SOME % max(many, 1)
        self._looks += 1
        undecided = (place for place, seen in enumerate(self._seen) if seen is None or _is_open(seen))
        return {*undecided, *range(min(_NEWEST, many)), *range(begin, min(begin + _SOME, many))}

    def _look(self, path: str, found: Found, last: _Seen | None, now: float) -> _Seen | None:
        """What stands there now; None where it was rotated away since the listing."""
        try:
            signature, modified_at = sign(path)
        except FileNotFoundError:
            return None
        young = abs(now - modified_at) < self._settle
        changed = last is not None and last.signature != signature
        if last is not None and not (young or changed or _is_open(last)):
            return last
        fault = None if young or changed else self._verify(found, signature)
        checkpoint = Checkpoint(
            path=path,
            epoch=found.epoch,
            step=found.step,
            final=found.final,
            resumable=found.resumable,
            modified_at=modified_at,
            size_bytes=sum(size for _, _, size, _ in signature),
            verdict=_verdict(fault),
            reason=fault or "",
            earlier=path in self._found_at_launch and stood(self._found_at_launch[path], signature),
        )
        return _Seen(signature, checkpoint)


def found_in(recipe: Recipe, folder: Path, output_name: str | None) -> dict[str, str]:
    """Path and marks of every checkpoint in the folder. Raises ``CheckpointError``."""
    signed = {}
    for found in recipe.find(folder, output_name):
        with suppress(FileNotFoundError):  # rotated away since the listing
            signed[str(found.path)] = marks(sign(str(found.path))[0])
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


def _verdict(fault: str | None) -> Verdict:
    if fault is None:
        return Verdict.UNSETTLED
    return Verdict.INVALID if fault else Verdict.VALID
