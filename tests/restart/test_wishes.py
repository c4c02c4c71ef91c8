"""What the user wishes outranks what the receiver would do: a paused run, and `mode: observe`."""

from pathlib import Path

import pytest

from tests.restart.world import GIB, World, exporter_reading, last_hold
from trainwarden import config as configuration
from trainwarden.config import Config
from trainwarden.restart.events import Chosen, Decided, Paused
from trainwarden.restart.facts import Facts
from trainwarden.restart.states import HoldReason, RestartReason, State

CRASHED = "TrainwardenRunCrashed"


def observing(**runs: object) -> Config:
    return configuration.parse({"receiver": {"mode": "observe"}, "runs": runs}, "trainwarden.yml")


def test_a_paused_run_is_left_alone_until_it_is_resumed(world: World) -> None:
    world.folder.pause_path.touch()
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 4000, every=10)
    assert (desk.history.state, desk.history.needs_human) == (State.HELD, None)
    assert (last_hold(desk), world.asked_to_stop) == (HoldReason.PAUSED, [])
    world.folder.pause_path.unlink()
    world.run(desk, 300)
    assert len(world.launched) == 1


def test_a_run_that_is_paused_before_its_stop_is_let_go(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    desk.write(Decided(reason=RestartReason.HUNG, facts=Facts(step=500)), world.now(), desk.history)
    assert desk.history.state is State.CAPTURING
    world.folder.pause_path.touch()
    world.run(desk, 600)
    assert (last_hold(desk), world.asked_to_stop, world.launched) == (HoldReason.PAUSED, [], [])


@pytest.mark.parametrize("last", [State.WAITING_FOR_MEMORY, State.PAUSING])
@pytest.mark.parametrize("crashed", [True, False], ids=["crashed", "stopped"])
def test_a_run_that_is_paused_before_its_launch_is_not_launched_until_it_is_resumed(
    world: World, last: State, crashed: bool
) -> None:
    if crashed:
        world.end()
    if last is State.WAITING_FOR_MEMORY:
        world.exporter = exporter_reading(0.0, used=12 * GIB, free=0.0)
    desk = world.desk()
    alert = CRASHED if crashed else "TrainwardenRunHung"
    world.alert(desk, alert)
    world.run(desk, 30)
    assert desk.history.state is last
    world.folder.pause()
    world.exporter = exporter_reading()
    world.alert(desk, alert, firing=False)
    world.run(desk, 4000, every=10)
    assert (desk.history.state, desk.history.needs_human, world.launched) == (State.PAUSING, None, [])
    world.folder.resume()
    world.run(desk, 30)
    assert world.launched == [("luca-000004-state", 2)]


def test_a_run_that_is_paused_at_the_last_moment_is_not_launched_either(world: World) -> None:
    world.end()
    desk = world.desk()
    world.alert(desk, CRASHED)
    world.run(desk, 30)
    path = world.checkpoints / "luca-000004-state"
    desk.write(Paused(), world.now(), desk.history)
    checkpoint = desk.chooser.look(world.wall).checkpoint
    assert checkpoint is not None and checkpoint.path == str(path)
    desk.write(Chosen(generation=2, checkpoint=checkpoint), world.now(), desk.history)
    assert desk.history.state is State.LAUNCHING
    world.folder.pause()
    world.run(desk, 200)
    assert (desk.history.state, world.launched) == (State.PAUSING, [])


def test_in_observe_mode_a_human_is_called_and_nothing_is_done(world: World) -> None:
    world.end()
    desk = world.desk(observing())
    world.alert(desk, CRASHED)
    world.run(desk, 600)
    assert (desk.history.state, desk.history.needs_human) == (State.HELD, HoldReason.OBSERVE)
    assert (world.asked_to_stop, world.launched) == ([], [])
    world.alert(desk, CRASHED, firing=False)
    assert desk.history.needs_human is None, "it was mended by hand"


def test_in_observe_mode_a_run_that_cannot_be_helped_is_not_closed_either(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.end()
    desk = world.desk(observing())
    world.alert(desk, CRASHED)
    world.run(desk, 600)
    assert (desk.history.needs_human, world.asked_to_stop) == (HoldReason.OBSERVE, [])


def test_the_mode_of_a_run_outranks_that_of_the_receiver(world: World) -> None:
    world.end()
    desk = world.desk(observing(luca={"mode": "restart"}))
    world.alert(desk, CRASHED)
    world.run(desk, 100)
    assert len(world.launched) == 1
