"""What the file formats share: opening a file, saying what is wrong with it, and finding holes.

Nothing under ``checkpoints`` opens a file for writing, unpickles, or imports a trainer's library.
"""

import os
import stat
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

import msgspec

from trainwarden.model import UNDECODABLE

T = TypeVar("T")
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)
"""Not only objects: the ``modules.json`` of sentence-transformers is a list."""
_MAX_JSON = 100_000_000
"""Bytes; a trainer's log history makes some megabytes."""


def describe(path: Path, read: Callable[[BufferedReader], str]) -> str:
    """Run ``read`` on the open file: empty where it is whole, else one sentence that names the file."""
    try:
        with open_regular(path) as file:
            problem = read(file) or _hole(file)
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    return f"{path}: {problem}" if problem else ""


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. Raises ``OSError``, also for a named pipe, at which a plain open would wait for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(0, "is not a file", str(path))
    return file


def size_of(file: BufferedReader) -> int:
    """Length of an open file, bytes."""
    return os.fstat(file.fileno()).st_size


def read_json(path: Path, decoder: msgspec.json.Decoder[T]) -> T | None:
    """What a JSON file holds; None for one that is cut short or something else. Raises ``OSError``."""
    with open_regular(path) as file:
        content = file.read(min(size_of(file), _MAX_JSON))  # (a read makes room for all that it may take)
    try:
        return decoder.decode(content)
    except UNDECODABLE:
        return None


def json_fault(path: Path) -> str:
    """Empty where the file is JSON, else one sentence that names it. Raises ``OSError``."""
    return "" if read_json(path, _ANY_JSON) is not None else f"{path}: is not JSON: the save was cut short"


def _hole(file: BufferedReader) -> str:
    """A writer that sets the length first and is killed leaves a file of the right size with a hole at its end."""
    size = size_of(file)
    try:
        hole = os.lseek(file.fileno(), 0, os.SEEK_HOLE)
    except OSError:  # a file system that cannot tell (some network and Windows mounts)
        return ""
    return f"has a hole at byte {hole} of {size}: the save was cut short" if hole < size else ""
