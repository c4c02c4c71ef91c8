"""What stands in a user's folder, so that a test can say that nobody touched it."""

import hashlib
from pathlib import Path
from typing import NamedTuple


class FileFacts(NamedTuple):
    """A file as the first law sees it."""

    inode: int
    modified_ns: int
    size: int
    digest: str


def snapshot(folder: Path) -> dict[str, FileFacts]:
    """Every file below ``folder``, by its path within it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = FileFacts(stat.st_ino, stat.st_mtime_ns, stat.st_size, digest)
    return found


def truncate(path: Path) -> None:
    """Cut a file in half, as a kill during a save does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size // 2)
