"""Records the nights anew and asks which alerts stand in them: a part of ``make golden``."""

import tempfile
from pathlib import Path

from tests.nights import recording, replay
from tests.nights.told import NIGHTS


def write(promtool: Path) -> None:
    """The recordings, and the table of what stands in them by this promtool."""
    for told in NIGHTS:
        recording.write(told)
    with tempfile.TemporaryDirectory() as folder:
        replay.write({told.name: replay.standing(promtool, Path(folder), told.name) for told in NIGHTS})
