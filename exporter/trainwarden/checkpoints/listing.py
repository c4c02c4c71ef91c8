"""Listing a checkpoint folder, and again only when it has changed."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.errors import CheckpointError
from trainwarden.system import is_text

_COARSE_SECONDS = 2.0
"""Some file systems note times no finer: a folder that changed so lately may change again and keep its time."""
_RELIST_SECONDS = 300.0
"""A folder is listed so often though its time has not changed: a server's clock may stand still between two changes."""


def entries(folder: Path, option: str) -> Iterator[os.DirEntry[str]]:
    """What lies in the run's checkpoint folder, which ``option`` tells the trainer. Raises ``CheckpointError``."""
    try:
        with os.scandir(folder) as found:
            yield from filter(_is_told, found)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder}: there is no such checkpoint folder (a trainer makes it at its first save); "
            f"if it is not the trainer's {option}, name the right one with --checkpoints"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"{folder}: the checkpoint folder cannot be listed: {error.strerror}; give it to the user who runs this"
        ) from error


def entries_below(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in a folder within it; nothing where that is not there, or not for us."""
    with suppress(OSError), os.scandir(folder) as found:
        yield from filter(_is_told, found)


def _is_told(entry: os.DirEntry[str]) -> bool:
    """Whether the name is UTF-8: no other can stand in a label, a ledger or a command that is written down."""
    return (entry.name.isascii() or is_text(entry.name)) and is_there(entry)


def is_there(entry: os.DirEntry[str]) -> bool:
    """Whether it is no link that leads nowhere, or to itself: of the latter nothing can even be asked."""
    try:
        return not entry.is_symlink() or bool(entry.stat())
    except OSError:
        return False


class Listing:
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
