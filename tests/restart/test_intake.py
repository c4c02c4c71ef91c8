"""Accept and dedupe: what becomes of an alert before anybody looks at the run."""

import pytest

from tests.restart.world import World, ledger
from trainwarden.model import Phase
from trainwarden.restart.states import Intake, State


def test_a_hundred_duplicates_are_one_case(world: World) -> None:
    desk = world.desk()
    taken = [world.alert(desk) for _ in range(100)]
    assert taken == [Intake.ACCEPTED] + [Intake.DUPLICATE] * 99
    assert len(ledger(desk)) == 1


def test_a_duplicate_is_answered_without_reading_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world.desk()
    world.alert(desk)
    monkeypatch.setattr(type(desk.folder), "read_state", None)  # nobody may call it
    assert world.alert(desk) is Intake.DUPLICATE


def test_both_alerts_of_one_generation_are_one_case(world: World) -> None:
    desk = world.desk()
    assert world.alert(desk) is Intake.ACCEPTED
    assert world.alert(desk, "TrainwardenRunCrashed") is Intake.DUPLICATE


def test_a_case_of_two_alerts_ends_undecided_only_with_the_last_of_them(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.alert(desk, "TrainwardenRunCrashed")
    world.alert(desk, "TrainwardenRunCrashed")
    world.alert(desk, firing=False)  # it hangs no longer, for it has died
    assert desk.history.state is State.LOOKING
    assert world.desk().history == desk.history
    world.alert(desk, "TrainwardenRunCrashed", firing=False)
    assert desk.history.state is State.WATCHING
    assert world.events(desk) == ["Accepted", "Joined", "Resolved", "Resolved"]


def test_an_alert_about_another_generation_is_dropped(world: World) -> None:
    world.set(generation=3)
    desk = world.desk()
    assert world.alert(desk, generation=2) is Intake.STALE
    assert world.alert(desk, generation=4) is Intake.STALE
    assert world.events(desk) == []


def test_a_replay_of_what_was_carried_out_is_a_duplicate(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 100)
    assert world.alert(desk) is Intake.DUPLICATE
    assert world.alert(world.desk()) is Intake.DUPLICATE, "also after the receiver was restarted"


def test_an_alert_of_a_later_generation_does_not_displace_a_restart_under_way(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 20)
    assert desk.history.state is State.PAUSING
    world.set(generation=2)
    assert world.alert(desk, generation=2) is Intake.DUPLICATE


def test_a_resolved_alert_ends_a_look(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    assert world.alert(desk, firing=False) is Intake.RESOLVED
    assert world.events(desk) == ["Accepted", "Resolved"]
    assert desk.history.state is State.WATCHING


def test_a_resolved_alert_ends_a_hold(world: World) -> None:
    world.set_progress(phase=Phase.CACHING)
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 20)
    assert desk.history.state is State.HELD
    world.alert(desk, firing=False)
    assert desk.history.state is State.WATCHING


def test_a_resolved_alert_does_not_end_a_restart_under_way_nor_prove_a_recovery(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 20)
    assert world.alert(desk, firing=False) is Intake.RESOLVED
    assert desk.history.state is State.PAUSING
    world.run(desk, 100)
    world.alert(desk, firing=False)
    assert (desk.history.state, desk.history.totals.recoveries) == (State.PROBATION, 0)


def test_another_alert_that_is_resolved_does_not_end_the_case(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.alert(desk, "TrainwardenRunCrashed", firing=False)
    assert desk.history.state is State.LOOKING


def test_a_resolved_alert_of_a_run_without_a_case_writes_nothing(world: World) -> None:
    desk = world.desk()
    assert world.alert(desk, firing=False) is Intake.RESOLVED
    assert world.events(desk) == []


def test_a_run_that_was_given_up_is_not_taken_up_again(world: World) -> None:
    world.set(resumable=False)
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 5)
    assert desk.history.state is State.GAVE_UP
    assert world.alert(desk, "TrainwardenRunCrashed") is Intake.DUPLICATE
