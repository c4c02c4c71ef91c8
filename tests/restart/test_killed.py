"""The receiver killed before and after every line of the ledger, and what the run did meanwhile: never two launches."""

from collections.abc import Callable

import pytest

from tests.restart.killing import Killed, about_line, die
from tests.restart.world import World, ledger
from trainwarden.model import Outcome, Phase
from trainwarden.restart.events import Recovered
from trainwarden.restart.states import HoldReason, State

LINES = 10
"""Accepted, Decided, Captured, Stopping, Died, Freed, Paused, Chosen, Launched, Recovered."""


def live(world: World, meanwhile: Callable[[World], None] = lambda _: None) -> None:
    """Alert, work, be killed, come back, and let the new generation train."""
    desk = world.desk()
    try:
        world.alert(desk)
        world.run(desk, 100)
        train_on(world)
        world.run(desk, 5)
    except Killed:
        meanwhile(world)
        desk = world.desk()
        world.alert(desk)  # Alertmanager sends again what was not answered, and at every repeat
        world.run(desk, 200)
        train_on(world)
        world.run(desk, 5)


def train_on(world: World) -> None:
    if world.state.generation == 2 and world.progress.steps_done < 20:
        world.set_progress(step=400, phase=Phase.TRAINING)
        world.step(30)


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("line", range(1, LINES + 1))
def test_killed_at_every_line_it_launches_once_and_recovers(
    world: World, monkeypatch: pytest.MonkeyPatch, line: int, written: bool
) -> None:
    about_line(monkeypatch, line, die, written=written)
    live(world)
    assert world.launched == [("luca-000004-state", 2)]
    desk = world.desk()
    assert desk.history.state is State.WATCHING
    assert [type(event) for event in ledger(desk)].count(Recovered) == 1
    assert desk.history.totals.recoveries == 1
    assert sum(desk.history.totals.restarts.values()) == 1


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_run_that_trains_again_when_the_receiver_comes_back_is_not_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch, line: int
) -> None:
    about_line(monkeypatch, line, die, written=True)

    def recover(world: World) -> None:
        world.pass_time(3600)
        world.step(700)

    live(world, meanwhile=recover)
    assert (world.asked_to_stop, world.launched) == ([], [])


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("line", range(1, LINES))
def test_a_run_that_its_user_closed_meanwhile_is_not_launched(
    world: World, monkeypatch: pytest.MonkeyPatch, line: int, written: bool
) -> None:
    about_line(monkeypatch, line, die, written=written)

    def stop_by_hand(world: World) -> None:
        if world.state.generation == 1:
            world.end(Outcome.STOPPED_BY_USER, code=None)

    live(world, meanwhile=stop_by_hand)
    last_line_was_launch = line == LINES - 1
    assert len(world.launched) == last_line_was_launch
    if not last_line_was_launch:
        held = [event.reason for event in ledger(world.desk()) if hasattr(event, "passing")]
        assert HoldReason.STOPPED_BY_USER in held or line == 1


def test_a_launch_whose_record_was_lost_is_found_and_not_repeated(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    about_line(monkeypatch, 9, die, written=False)
    desk = world.desk()
    with pytest.raises(Killed):
        world.alert(desk)
        world.run(desk, 100)
    assert len(world.launched) == 1
    desk = world.desk()
    assert desk.history.state is State.LAUNCHING
    world.run(desk, 10)
    assert (desk.history.state, len(world.launched)) == (State.PROBATION, 1)
