"""A run that is only watched: the receiver looks, calls a human where it is dead or hangs, and never acts."""

from pathlib import Path

import pytest

from tests.restart.world import World, exporter_reading, last_hold, ledger
from trainwarden.model import Outcome
from trainwarden.restart.events import GaveUp
from trainwarden.restart.states import GiveUpReason, HoldReason, State


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run that could be resumed well: it has a whole checkpoint, and its state says nothing against it."""
    world = World(tmp_path, attached=True)
    world.save(4)
    return world


def test_a_hang_calls_a_human_and_nothing_is_stopped_or_launched(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    gave_up = [event for event in ledger(desk) if isinstance(event, GaveUp)]
    assert [(event.reason, event.detail) for event in gave_up] == [
        (GiveUpReason.ATTACHED, "attached: it was started outside of trainwarden, which only watches it")
    ]
    assert (world.asked_to_stop, world.launched) == ([], [])
    assert desk.history.state is State.GAVE_UP


def test_a_death_calls_a_human_though_its_observer_is_gone_with_it(world: World) -> None:
    desk = world.desk()
    world.end(Outcome.CRASHED, code=None)
    world.set(open=False)
    world.answers = False
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 120)
    assert desk.history.gave_up is not None
    assert desk.history.gave_up.reason is GiveUpReason.ATTACHED
    assert (world.asked_to_stop, world.launched) == ([], [])


def test_an_alert_about_one_that_trains_calls_nobody(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    for _ in range(60):
        world.step(1)
        world.run(desk, 1)
    assert last_hold(desk) is HoldReason.ALIVE
    assert desk.history.state is State.WATCHING


def test_one_whose_gpu_works_is_waited_for(world: World) -> None:
    world.exporter = exporter_reading(0.99)
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    assert last_hold(desk) is HoldReason.GPU_BUSY
    assert (world.asked_to_stop, world.launched) == ([], [])


@pytest.mark.parametrize("outcome", [Outcome.FINISHED, Outcome.STOPPED_BY_USER])
def test_one_that_finished_or_was_stopped_or_detached_needs_nobody(world: World, outcome: Outcome) -> None:
    desk = world.desk()
    world.end(outcome, code=None)
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 60)
    assert desk.history.gave_up is None
    assert (world.asked_to_stop, world.launched) == ([], [])
