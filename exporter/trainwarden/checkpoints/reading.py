"""What the file formats share: opening a file, saying what is wrong with it, and finding holes.

Nothing under ``checkpoints`` opens a file for writing, unpickles, or imports a trainer's library.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def describe(path: Path, read: Callable[[BinaryIO], str]) -> str:
    """Run ``read`` on the open file: empty where it is whole, else one sentence that names the file."""
    try:
        with path.open("rb") as file:
            problem = read(file) or _hole(file)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    return f"{path}: {problem}" if problem else ""


def size_of(file: BinaryIO) -> int:
    """Length of an open file, bytes."""
    return os.fstat(file.fileno()).st_size


def _hole(file: BinaryIO) -> str:
    """A writer that sets the length first and is killed leaves a file of the right size with a hole at its end."""
    size = size_of(file)
    try:
        hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
    except OSError:  # a file system that cannot tell (some network and Windows mounts)
        return ""
    return f"has a hole at byte {hole} of {size}: the save was cut short" if hole < size else ""
