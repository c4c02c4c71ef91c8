"""Is a file of ``torch.save`` whole? Looked at from outside only: its ``data.pkl`` is code, and is never unpickled.

Such a file is a zip archive whose directory is written last, so a killed save leaves a file without one.
"""

import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from trainwarden.checkpoints.reading import describe, size_of

_UNREADABLE = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, struct.error)
"""What ``zipfile`` raises on a damaged directory."""


def fault(path: Path) -> str:
    """Empty where the file is whole, else one sentence that names it. Costs the directory, not the data."""
    return describe(path, _read)


def _read(file: BinaryIO) -> str:
    if size_of(file) == 0:
        return "is empty: the save was cut short"
    try:
        with zipfile.ZipFile(file) as archive:
            entries, directory = archive.infolist(), archive.start_dir
    except _UNREADABLE:
        return "has no zip directory at its end: the save was cut short"
    if any(entry.header_offset + entry.compress_size > directory for entry in entries):
        return "has a directory that points behind its own data: it is damaged"
    if not any(entry.filename.rpartition("/")[2] == "data.pkl" for entry in entries):
        return "holds no data.pkl, so torch did not write it"
    return ""
