"""The fake itself: it must refuse what the supervisor refuses, and tell what the supervisor tells."""

from pathlib import Path

import pytest

from tests.restart.world import World
from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import Outcome


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_stop_ends_the_members_by_the_next_probe(world: World) -> None:
    world.stop(final=False, reason="test")
    assert world.folder.read_state().stopping_since is not None
    state = world.probe()
    assert (state.members, state.ended.outcome, state.open) == ([], Outcome.STOPPED_FOR_RESTART, True)


def test_a_final_stop_of_a_dead_run_closes_it(world: World) -> None:
    world.end()
    world.stop(final=True, reason="test")
    assert not world.probe().open


def test_a_living_generation_refuses_a_start(world: World) -> None:
    with pytest.raises(RefusedError, match="still lives"):
        world.start(str(world.save(2)), 2)


def test_a_generation_is_launched_once(world: World) -> None:
    world.end()
    checkpoint = str(world.save(2))
    world.start(checkpoint, 2)
    with pytest.raises(RefusedError, match="launched already"):
        world.start(checkpoint, 2)
    assert world.launched == [("luca-000002-state", 2)]


def test_a_checkpoint_that_is_gone_is_refused(world: World) -> None:
    world.end()
    with pytest.raises(RefusedError, match="not a checkpoint"):
        world.start(str(world.checkpoints / "luca-000008-state"), 2)


def test_a_silent_supervisor_answers_no_verb(world: World) -> None:
    world.answers = False
    for ask in (world.probe, lambda: world.stop(final=False, reason=""), lambda: world.start("", 2)):
        with pytest.raises(RunFolderError):
            ask()
