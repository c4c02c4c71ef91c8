"""A look that slept, or was itself blocked, decides nothing."""

import pytest

from tests.restart.world import GIB, World, exporter_reading, last_hold
from trainwarden.restart.choosing import Choice
from trainwarden.restart.desk import Desk
from trainwarden.restart.procedure import STAGES, Stage
from trainwarden.restart.states import HoldReason, State


def looking(world: World) -> Desk:
    """A run in a long silence of which the first reading of a new look was taken."""
    world.exporter = exporter_reading(0.99)
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 100)
    world.exporter = exporter_reading(0.0)
    while desk.scratch.first is None:
        world.run(desk, 1)
    return desk


def test_a_sleep_between_the_readings_begins_the_look_anew(world: World) -> None:
    desk = looking(world)
    world.pass_time(8 * 3600)
    world.set(cpu_seconds=world.state.cpu_seconds + 2)
    world.run(desk, 1)
    assert (world.asked_to_stop, desk.history.state) == ([], State.HELD)
    world.exporter = exporter_reading(0.99)
    world.run(desk, 30)
    assert (world.asked_to_stop, last_hold(desk)) == ([], HoldReason.GPU_BUSY)


def wakes_with(world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next listing blocks for an hour; the run, which had hung in the same folder, comes back with it."""
    look = desk.chooser.look

    def blocked(now: float) -> Choice:
        monkeypatch.undo()
        world.pass_time(3600)
        world.exporter = exporter_reading(0.99)
        world.set(cpu_seconds=world.state.cpu_seconds + 5, io_bytes=world.state.io_bytes + GIB)
        return look(now)

    monkeypatch.setattr(desk.chooser, "look", blocked)


def test_a_look_that_hung_with_the_run_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = looking(world)
    wakes_with(world, desk, monkeypatch)
    world.run(desk, 30)
    assert (world.asked_to_stop, desk.history.state) == ([], State.HELD)


def test_a_save_grace_that_hung_with_the_run_is_followed_by_a_new_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.desk()
    world.alert(desk)
    monkeypatch.setitem(STAGES, State.QUIESCING, Stage(lambda *_: None))
    world.run(desk, 9)
    assert desk.history.state is State.QUIESCING
    monkeypatch.undo()
    wakes_with(world, desk, monkeypatch)
    world.run(desk, 30)
    assert (world.asked_to_stop, last_hold(desk)) == ([], HoldReason.GPU_BUSY)
