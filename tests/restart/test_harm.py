"""A launch that does not go on from its checkpoint would write over what was saved; and deaths that nobody heard of."""

import pytest
from msgspec.structs import replace

from tests.restart.world import World
from trainwarden.model import Resume, ResumeTemplate
from trainwarden.restart.desk import Desk
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, State


def launched(world: World) -> Desk:
    """A desk whose run was just resumed from the state of epoch 4."""
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 100)
    assert desk.history.state is State.PROBATION
    assert world.state.resumed_from is not None
    world.set(resumed_from=replace(world.state.resumed_from, epoch=4))
    return desk


def test_a_launch_that_trains_what_its_checkpoint_holds_is_stopped_and_a_human_called(world: World) -> None:
    desk = launched(world)
    world.set_progress(epoch=1, step=430, steps_done=30)
    world.run(desk, 30)
    assert desk.history.needs_human is GiveUpReason.NOT_RESUMED
    assert [final for final, _ in world.asked_to_stop] == [True]
    assert (world.state.open, len(world.launched)) == (False, 1)


def test_a_launch_that_goes_on_behind_its_checkpoint_recovers(world: World) -> None:
    desk = launched(world)
    world.set_progress(epoch=5, step=430, steps_done=30)
    world.run(desk, 30)
    assert (desk.history.state, desk.history.needs_human) == (State.WATCHING, None)


@pytest.mark.parametrize(("epoch", "ended"), [(4, State.WATCHING), (3, State.GAVE_UP)])
def test_a_script_that_counts_its_epochs_from_0_is_let_train_and_one_that_begins_anew_is_not(
    world: World, epoch: int, ended: State
) -> None:
    desk = launched(world)
    declared = ResumeTemplate(arguments=["--resume", "{checkpoint}"], glob="luca-{epoch}.pt")
    desk.spec = replace(desk.spec, recipe="torch", resume=declared)
    world.set_progress(epoch=epoch, step=430, steps_done=30)
    world.run(desk, 30)
    assert desk.history.state is ended
    assert [final for final, _ in world.asked_to_stop] == ([True] if ended is State.GAVE_UP else [])


def test_a_resume_whose_epoch_is_unknown_is_judged_by_its_steps(world: World) -> None:
    desk = launched(world)
    world.set(resumed_from=Resume("x", None, 400))
    world.set_progress(epoch=1, step=430, steps_done=30)
    world.run(desk, 30)
    assert desk.history.state is State.WATCHING


def test_a_crashed_run_that_was_closed_before_the_receiver_came_calls_a_human(world: World) -> None:
    world.end()
    world.set(open=False)
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 100)
    assert (desk.history.needs_human, world.launched) == (HoldReason.CLOSED, [])


def test_an_alert_that_stands_for_an_hour_beside_passing_holds_calls_a_human(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    for _ in range(650):
        world.set(cpu_seconds=world.state.cpu_seconds + 6)
        world.run(desk, 6, every=3)
    assert (desk.history.state, desk.history.needs_human) == (State.HELD, CallReason.HELD_LONG)
    assert (world.asked_to_stop, world.launched) == ([], [])


def test_a_run_whose_launch_would_be_refused_is_not_stopped(world: World) -> None:
    world.refuses = "luca.toml is not what it was when the run was launched"
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 200)
    assert desk.history.needs_human is GiveUpReason.LAUNCH_REFUSED
    assert world.refuses in desk.history.gave_up.detail
    assert (world.asked_to_stop, world.launched, world.state.ended) == ([], [], None)
