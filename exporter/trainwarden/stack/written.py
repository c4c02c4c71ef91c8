"""A folder of rendered files: what was written there by us is told from what somebody else wrote, and that is kept."""

import hashlib
import json
import shutil
from itertools import count
from pathlib import Path

from trainwarden.errors import StackError

MARKER = ".rendered-by-trainwarden"
"""Stands in every folder that was written here: only such a folder, or an empty one, is written to. Holds the SHA-256
of each file by its path, as it was written."""
KEPT = ".kept"
"""The folder within it for what is not ours."""


def empty(target: Path) -> None:
    """Make room for a new rendering. A file that we did not write, or that was edited since, goes into ``.kept/N/``.

    Raises ``StackError`` for a folder that was never ours and holds something.
    """
    target.mkdir(parents=True, exist_ok=True)
    found = [path for path in target.iterdir() if path.name not in (MARKER, KEPT)]
    if found and not (target / MARKER).exists():
        raise StackError(f"{target}: holds other things; give an empty folder, or one that does not exist yet")
    ours = _read(target / MARKER)
    _keep(target, [path for path in _files(target) if ours.get(str(path.relative_to(target))) != _digest(path)])
    (target / MARKER).touch()
    for path in found:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def sign(target: Path) -> None:
    """Write down what stands there now as ours."""
    digests = {str(path.relative_to(target)): _digest(path) for path in _files(target)}
    (target / MARKER).write_text(json.dumps(digests))


def _keep(target: Path, theirs: list[Path]) -> None:
    if not theirs:
        return
    place = next(path for number in count(1) if not (path := target / KEPT / str(number)).exists())
    for path in theirs:
        kept = place / path.relative_to(target)
        kept.parent.mkdir(parents=True, exist_ok=True)
        path.rename(kept)


def _files(target: Path) -> list[Path]:
    """Whatever is no folder, without our own mark and what was kept before."""
    tops = [top for top in target.iterdir() if top.name not in (MARKER, KEPT)]
    inside = [path for top in tops if not top.is_symlink() for path in top.rglob("*")]
    return [path for path in (*tops, *inside) if path.is_symlink() or not path.is_dir()]


def _digest(path: Path) -> str:
    """Of what no regular file is: empty, for we write none of it."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""


def _read(marker: Path) -> dict[str, str]:
    """What was ours there; nothing where that is not known, so that all of it is kept."""
    try:
        said = json.loads(marker.read_bytes())
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
