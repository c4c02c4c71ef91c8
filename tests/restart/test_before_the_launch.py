"""Between the stop and the launch the machine may have been given to another: it is looked at once more."""

import pytest

from tests.restart.world import GIB, World, exporter_reading
from trainwarden.restart import gate
from trainwarden.restart.desk import Desk
from trainwarden.restart.states import GiveUpReason, State


def pausing(world: World) -> Desk:
    """A crashed run whose restart waits for the pause to be over."""
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 10)
    assert desk.history.state is State.PAUSING
    return desk


def test_gpu_memory_taken_in_the_pause_is_waited_for_again(world: World) -> None:
    desk = pausing(world)
    world.exporter = exporter_reading(0.99, used=15 * GIB, free=1 * GIB)
    world.run(desk, 120)
    assert (world.launched, desk.history.state) == ([], State.WAITING_FOR_MEMORY)
    world.exporter = exporter_reading(0.0)
    world.run(desk, 5)
    assert len(world.launched) == 1


@pytest.mark.parametrize("epoch", [1, 3, 5], ids=["from_zero", "older", "further"])
def test_nothing_is_launched_beside_a_training_that_writes_the_run_s_checkpoints(world: World, epoch: int) -> None:
    desk = pausing(world)
    world.save(epoch, age=-20)
    world.run(desk, 400)
    assert (world.launched, desk.history.needs_human) == ([], GiveUpReason.TAKEN_OVER)


def test_memory_that_cannot_be_read_at_the_launch_is_asked_for_until_it_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = pausing(world)
    world.exporter = None
    monkeypatch.setattr(gate.Child, "ask", lambda _: None)
    world.run(desk, 70)
    assert (world.launched, desk.history.state) == ([], State.LAUNCHING)
    world.exporter = exporter_reading(0.0)
    world.run(desk, 2)
    assert len(world.launched) == 1
