"""The procedure from the alert to the first new steps, against a fake launcher and a fake clock."""

from pathlib import Path

import pytest

from tests.checkpoints.making import cut
from tests.restart.world import GIB, World, exporter_reading, last_hold, ledger
from trainwarden.model import Identity, Member, Phase
from trainwarden.restart import gate
from trainwarden.restart.events import Chosen, GaveUp
from trainwarden.restart.states import CallReason, GiveUpReason, HoldReason, Intake, State


def test_a_hang_is_restarted_from_the_newest_whole_checkpoint(world: World) -> None:
    desk = world.desk()
    assert world.alert(desk) is Intake.ACCEPTED
    world.run(desk, 120)
    assert world.launched == [("luca-000004-state", 2)]
    assert world.asked_to_stop == [(False, "restart: hung")]
    assert desk.history.state is State.PROBATION
    assert world.events(desk) == [
        "Accepted", "Decided", "Captured", "Stopping", "Died", "Freed", "Paused", "Chosen", "Launched",
    ]  # fmt: skip


def test_nothing_is_touched_before_two_readings_far_enough_apart(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 7)  # three of its own median steps are 7.5 s
    assert world.events(desk) == ["Accepted"]
    world.run(desk, 2)
    assert "Decided" in world.events(desk)


def test_the_launch_waits_for_the_pause_after_the_last_death(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 60)
    assert (desk.history.state, world.launched) == (State.PAUSING, [])
    world.run(desk, 20)
    assert len(world.launched) == 1


def test_a_crash_needs_no_second_reading_and_no_exporter(world: World) -> None:
    world.end(code=1, words="RuntimeError: CUDA error")
    world.exporter = None
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 0)
    assert world.events(desk)[:5] == ["Accepted", "Decided", "Captured", "Stopping", "Died"]
    assert world.asked_to_stop == []


def test_a_damaged_newest_checkpoint_is_passed_over_and_the_ledger_says_why(world: World) -> None:
    cut(world.checkpoints / "luca-000004-state" / "model.safetensors", 100)
    before = sorted(world.checkpoints.rglob("*"))
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    assert world.launched == [("luca-000002-state", 2)]
    chosen = next(event for event in ledger(desk) if isinstance(event, Chosen))
    assert len(chosen.passed_over) == 1
    assert "luca-000004-state" in chosen.passed_over[0]
    assert [Path(path).name for path in chosen.overwrites] == ["luca-000004-state"]
    assert sorted(world.checkpoints.rglob("*")) == before


def test_no_whole_checkpoint_closes_the_run_and_calls_a_human(world: World) -> None:
    for state in world.checkpoints.iterdir():
        cut(state / "optimizer.bin", 10)
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 5)
    assert world.launched == []
    assert world.asked_to_stop[0][0], "a final stop lets `trainwarden run` return"
    assert not world.state.open
    assert (desk.history.state, desk.history.needs_human) == (State.GAVE_UP, GiveUpReason.NO_VERIFIED_CHECKPOINT)
    gave_up = next(event for event in ledger(desk) if isinstance(event, GaveUp))
    assert "luca-000004-state" in gave_up.detail


def test_a_run_that_hangs_and_cannot_be_helped_is_left_as_it_is(world: World) -> None:
    for state in world.checkpoints.iterdir():
        cut(state / "optimizer.bin", 10)
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 20)
    assert (desk.history.state, desk.history.needs_human) == (State.GAVE_UP, GiveUpReason.NO_VERIFIED_CHECKPOINT)
    assert (world.asked_to_stop, world.state.open, world.state.ended) == ([], True, None)


def test_a_run_that_steps_again_before_the_stop_is_let_go(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 6)
    assert desk.history.state is State.LOOKING
    world.step(1)
    world.run(desk, 5)
    assert (world.asked_to_stop, last_hold(desk)) == ([], HoldReason.ALIVE)
    assert desk.history.state is State.WATCHING


def test_a_save_in_progress_may_end_before_the_stop(world: World) -> None:
    desk = world.desk()
    world.set_progress(phase=Phase.CHECKPOINTING, phase_since=world.wall)
    world.alert(desk)
    world.run(desk, 200)
    assert (world.asked_to_stop, last_hold(desk), desk.history.state) == ([], HoldReason.SAVING, State.HELD)
    world.run(desk, 300)
    assert world.asked_to_stop, "its grace is over"


def test_the_same_passing_hold_is_entered_once_and_decided_again(world: World) -> None:
    desk = world.desk()
    world.exporter = None
    world.alert(desk)
    world.run(desk, 600)
    assert world.events(desk) == ["Accepted", "Held"]
    assert desk.history.state is State.HELD
    world.exporter = exporter_reading(0.0)
    world.run(desk, 300)
    assert len(world.launched) == 1


def test_a_hold_for_good_closes_the_case_and_a_repeat_is_looked_at_again(world: World) -> None:
    desk = world.desk()
    world.exporter = exporter_reading(0.0).__class__(driver_answers=True, run_gpus=None, gpus={})
    world.alert(desk)
    world.run(desk, 20)
    assert (desk.history.state, last_hold(desk)) == (State.WATCHING, HoldReason.NO_GPU)
    assert world.alert(desk) is Intake.ACCEPTED


def test_a_process_that_ignores_sigterm_is_waited_for(world: World) -> None:
    desk = world.desk()
    world.ignores_sigterm_for = 25
    world.alert(desk)
    world.run(desk, 20)
    assert (desk.history.state, len(world.asked_to_stop)) == (State.STOPPING, 1)
    world.run(desk, 200)
    assert len(world.launched) == 1


def test_a_zombie_counts_as_dead(world: World) -> None:
    world.end()
    world.set(members=[Member(4242, 1, "Z")])
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 100)
    assert len(world.launched) == 1


def test_a_wedged_member_means_that_nothing_is_launched(world: World) -> None:
    desk = world.desk()
    world.ignores_sigterm_for = 10_000
    world.alert(desk)
    world.run(desk, 20)
    world.set(wedged=True)
    world.run(desk, 100)
    assert (world.launched, desk.history.needs_human) == ([], GiveUpReason.WEDGED)


def test_gpu_memory_still_held_is_waited_for_and_a_human_is_called_and_trying_goes_on(world: World) -> None:
    desk = world.desk()
    world.exporter = exporter_reading(0.0, used=15 * GIB, free=1 * GIB)
    world.alert(desk)
    world.run(desk, 500)
    assert (desk.history.state, desk.history.needs_human) == (State.WAITING_FOR_MEMORY, None)
    world.run(desk, 200)
    assert (desk.history.needs_human, world.launched) == (CallReason.GPU_MEMORY, [])
    world.exporter = exporter_reading(0.0)
    world.run(desk, 100)
    assert (len(world.launched), desk.history.needs_human) == (1, None)


def test_the_exporter_gone_after_the_stop_is_stood_in_for_by_a_child(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gate.Child, "ask", lambda _: {"GPU-00000000-0000-4000-8000-000000000000": gate.Memory(GIB, 15 * GIB)}
    )
    desk = world.desk()
    world.ignores_sigterm_for = 5
    world.alert(desk)
    world.run(desk, 12)
    world.exporter = None
    world.run(desk, 120)
    assert len(world.launched) == 1


def test_the_user_who_stops_the_run_during_the_restart_has_the_last_word(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 30)
    assert desk.history.state is State.PAUSING
    world.set(open=False)
    world.run(desk, 120)
    assert (world.launched, last_hold(desk)) == ([], HoldReason.CLOSED)


def test_a_launch_that_the_supervisor_refuses_is_given_up(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 30)
    world.set(resumable=False, resumable_reason="no --save_state")
    world.run(desk, 120)
    assert (world.launched, desk.history.needs_human) == ([], GiveUpReason.LAUNCH_REFUSED)


def test_a_supervisor_that_does_not_answer_is_asked_again_and_a_human_called(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 75)
    world.launched.clear()
    world.answers = False
    desk = world.desk()
    world.run(desk, 10)
    world.answers = True
    world.run(desk, 10)
    assert desk.history.state is State.PROBATION


def test_a_launch_that_is_not_answered_calls_a_human(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 30)
    world.answers = False
    world.run(desk, 200)
    assert (desk.history.state, desk.history.needs_human) == (State.LAUNCHING, CallReason.SUPERVISOR_UNREACHABLE)
    world.answers = True
    world.run(desk, 5)
    assert (len(world.launched), desk.history.needs_human) == (1, None)


def test_a_reboot_in_the_middle_calls_a_human(world: World) -> None:
    desk = world.desk()
    world.ignores_sigterm_for = 10_000
    world.alert(desk)
    world.run(desk, 20)
    world.set(training=Identity("another-boot", 1, 1, 1))
    world.answers = False
    world.run(desk, 5)
    assert (world.launched, desk.history.needs_human) == ([], HoldReason.REBOOTED)


def test_a_new_run_of_the_same_name_is_never_stopped_for_the_old_one(world: World) -> None:
    desk = world.desk()
    world.ignores_sigterm_for = 10_000
    world.alert(desk)
    world.run(desk, 9)
    world.set(run_id="run-2", stopping_since=None, generation=1)
    world.asked_to_stop.clear()
    world.run(desk, 100)
    assert (world.asked_to_stop, world.launched) == ([], [])


def test_steps_lost_add_up_over_a_launch_that_died_before_its_first_step(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.end(code=1, words="RuntimeError: at the start")
    world.run(desk, 120)
    world.set_progress(step=400, phase=Phase.TRAINING)
    world.step(20)
    world.run(desk, 1)
    assert desk.history.totals.steps_lost == 100
