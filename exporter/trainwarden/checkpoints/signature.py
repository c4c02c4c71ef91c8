"""What tells a checkpoint that has changed from one that has not, at the cost of asking for its files' times."""

import os
import stat
from collections.abc import Iterator

from trainwarden.checkpoints.listing import is_there

Signature = tuple[tuple[str, int, int, int], ...]
"""Name within the checkpoint, inode, size and modification time (ns) of each of its files."""


def sign(path: str) -> tuple[Signature, float]:
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
        for entry in filter(is_there, entries):
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path, f"{prefix}{entry.name}/")
            elif entry.is_file():
                yield prefix + entry.name, entry.stat()


def marks(signature: Signature) -> str:
    """A word for each file, by which ``stood`` knows it again.

    Without inodes, which some network mounts number anew: what stood there at the launch would look new.
    """
    return " ".join(_mark(name, size, modified_at) for name, _, size, modified_at in signature)


def stood(before: str, signature: Signature) -> bool:
    """Whether a file that had one of these ``marks`` is still as it was.

    One is enough: who saves writes all files anew, and what is laid beside them (a note, a ``.DS_Store``) changes none.
    """
    return not set(before.split()).isdisjoint(marks(signature).split())


def _mark(name: str, size: int, modified_at: int) -> str:
    import hashlib  # brings OpenSSL, 3.5 MB; an exporter mostly has nothing to digest

    return hashlib.sha256(repr((name, size, modified_at)).encode(errors="surrogateescape")).hexdigest()[:32]
