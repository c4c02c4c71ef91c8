"""Probation: a launch has recovered by new steps alone, and its death is decided without an alert."""

from tests.restart.world import World, last_hold, ledger
from trainwarden.model import Budget, Outcome, Phase
from trainwarden.restart.events import Recovered
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, Intake, State


def test_recovered_only_by_new_steps_beyond_the_checkpoint(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.set_progress(step=400, phase=Phase.TRAINING)
    world.step(19)
    world.run(desk, 2)
    assert desk.history.state is State.PROBATION
    world.step(1)
    world.run(desk, 2)
    assert desk.history.state is State.WATCHING
    recovered = ledger(desk)[-1]
    assert isinstance(recovered, Recovered)
    assert (recovered.step, recovered.new_steps, recovered.steps_lost) == (400, 20, 100)
    assert desk.history.recovery is not None and desk.history.recovery.step == 400
    assert desk.history.totals.recoveries == 1


def test_a_finish_within_probation_counts_as_recovered_if_it_took_a_step(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.step(3)
    world.end(Outcome.FINISHED, code=0)
    world.run(desk, 1)
    assert isinstance(ledger(desk)[-1], Recovered)


def test_exit_status_0_without_a_step_calls_a_human(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.end(Outcome.FINISHED, code=0)
    world.run(desk, 10)
    assert desk.history.needs_human is GiveUpReason.TRAINED_NOTHING
    assert desk.history.state is State.GAVE_UP


def test_a_death_in_probation_is_decided_without_an_alert(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.end(code=1, words="RuntimeError: something new")
    world.run(desk, 120)
    assert [generation for _, generation in world.launched] == [2, 3]


def test_a_crash_loop_ends_by_the_same_error_before_the_budget(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    for pid in (4302, 4303, 4304):
        world.end(code=1, words=f"RuntimeError: CUDA error at 0x{pid:x} in process {pid}")
        world.run(desk, 120)
    assert [generation for _, generation in world.launched] == [2, 3]
    assert desk.history.needs_human is GiveUpReason.SAME_ERROR_TWICE


def test_a_crash_loop_of_many_errors_ends_with_the_budget(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    for word in ("one", "two", "three", "four", "five"):
        world.end(code=1, words=f"RuntimeError: {word}")
        world.run(desk, 120)
    assert len(world.launched) == Budget().per_checkpoint
    assert desk.history.needs_human is GiveUpReason.BUDGET_PER_CHECKPOINT


def test_a_launch_that_is_late_with_its_steps_calls_a_human_and_is_left_alone(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.run(desk, 3600, every=30)
    assert (desk.history.state, desk.history.needs_human) == (State.PROBATION, CallReason.NO_NEW_STEPS)
    world.step(20)
    world.run(desk, 1)
    assert (desk.history.state, desk.history.needs_human) == (State.WATCHING, None)


def test_an_alert_that_is_wrong_about_a_launch_leaves_it_in_probation(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    assert world.alert(desk, generation=2) is Intake.ACCEPTED
    world.set_progress(phase=Phase.TRAINING)
    world.run(desk, 5)
    world.step(2)
    world.run(desk, 20)
    assert (desk.history.state, last_hold(desk)) == (State.PROBATION, HoldReason.ALIVE)
