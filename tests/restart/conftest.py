"""The world in which a restart is tried, where a test does not make one of its own."""

from pathlib import Path

import pytest

from tests.restart.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run that has saved twice."""
    world = World(tmp_path)
    world.save(2, age=9000)
    world.save(4, age=3600)
    return world
