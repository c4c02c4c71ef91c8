"""Listing a checkpoint folder."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trainwarden.errors import CheckpointError


def entries(folder: Path, option: str) -> Iterator[os.DirEntry[str]]:
    """What lies in the run's checkpoint folder, which ``option`` tells the trainer. Raises ``CheckpointError``."""
    try:
        with os.scandir(folder) as found:
            yield from found
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
        yield from found
