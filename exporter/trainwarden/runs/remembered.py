"""A run's folder for who reads it again and again: a file that has not been replaced is not read again."""

import os
from pathlib import Path
from typing import Any, TypeVar

from msgspec.json import Decoder

from trainwarden.runs.folder import RunFolder

T = TypeVar("T")

_Mark = tuple[int, int, int]
"""Inode, size and modification time (ns). The files are replaced whole by rename, so each text has its own."""


class RememberedFolder(RunFolder):
    """One run's folder, and what its files last held. For one thread at a time."""

    def __init__(self, name: str, root: Path | None = None) -> None:
        super().__init__(name, root)
        self._held: dict[Path, tuple[_Mark, Any]] = {}

    def _read(self, path: Path, decoder: Decoder[T]) -> T | None:
        # The mark is taken first: what is replaced in between is then read once more, and nothing old is kept.
        mark = _mark(path)
        held = self._held.get(path)
        if held is not None and held[0] == mark:
            return held[1]  # type: ignore[no-any-return]  # of this path, hence of this kind
        self._held.pop(path, None)
        found = super()._read(path, decoder)
        if mark is not None and found is not None:
            self._held[path] = mark, found
        return found


def _mark(path: Path) -> _Mark | None:
    """None for what is not there, or cannot be looked at: reading it says why."""
    try:
        found = os.stat(path)  # noqa: PTH116  (once a file and scrape)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
