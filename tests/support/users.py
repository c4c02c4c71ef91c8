"""What a user may not who is not root: root may do anything, so that such tests are taken by nobody."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def an_ordinary_user() -> Iterator[None]:
    """While this is open, this process is nobody's, if it was root's."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def reachable(path: Path) -> None:
    """pytest's temporary folders are for their owner only."""
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/tmp"):
            parent.chmod(0o755)
