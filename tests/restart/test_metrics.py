"""The receiver's own metrics: every family, from the start, and counted from the ledgers."""

import subprocess

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from tests.restart.world import World
from trainwarden import config as configuration
from trainwarden import names, textformat
from trainwarden.config import Config
from trainwarden.model import Phase
from trainwarden.restart.metrics import ReceiverMetrics, Tally
from trainwarden.restart.states import NEEDS_HUMAN, HoldReason, Intake, RestartReason, State
from trainwarden.restart.worker import Worker
from trainwarden.stack.tools import Tools

RECOVERY = (names.RECOVERY_TIME, names.RECOVERY_STEP, names.RECOVERY_STEPS_LOST, names.RECOVERY_TIME_LOST)
OF_A_CASE = {f.name for f in (names.RESTART_HOLD, names.RESTART_GENERATION, names.RUN_ADAPTED, *RECOVERY)}
"""There only while, or after, there was something to tell."""
LEDGER = ("ledger_unreadable", "ledger_unwritable")
"""The reasons that are told from the start."""
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def exposition(world: World, tally: Tally | None = None) -> str:
    worker = Worker(Config(), world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    return textformat.write(ReceiverMetrics(worker.desks, tally or Tally()).collect()).decode()


def samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def _calls(found: Samples) -> dict[str, float]:
    """What a human is called for, or was."""
    return {dict(labels)["reason"]: value for (name, labels), value in found.items() if name == names.NEEDS_HUMAN.name}


def value(found: Samples, family: names.Family, **labels: str) -> float:
    return found[family.name, tuple(sorted(labels.items()))]


def test_every_family_is_there_before_anything_happened(world: World) -> None:
    found = samples(exposition(world))
    assert {name for name, _ in found} == {family.name for family in names.RECEIVER_FAMILIES} - OF_A_CASE
    for reason in RestartReason:
        assert value(found, names.RESTARTS, run="luca", reason=reason.value) == 0
    for hold in HoldReason:
        assert value(found, names.RESTART_HOLDS, run="luca", reason=hold.value) == 0
    assert _calls(found) == dict.fromkeys(LEDGER, 0)
    assert value(found, names.RESTART_STATE, run="luca", state="watching") == 1
    assert value(found, names.RESTART_BUDGET, run="luca") == 3


def test_the_labels_are_those_of_the_names(world: World) -> None:
    table = {family.name: family for family in names.RECEIVER_FAMILIES}
    for name, labels in samples(exposition(world)):
        assert {key for key, _ in labels} == set(table[name].labels)


def test_a_new_receiver_counts_from_the_ledgers(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 120)
    world.set_progress(step=400, phase=Phase.TRAINING)
    world.step(20)
    world.run(desk, 2)
    found = samples(exposition(world))
    assert value(found, names.RESTARTS, run="luca", reason="hung") == 1
    assert value(found, names.RECOVERIES, run="luca") == 1
    assert value(found, names.STEPS_LOST, run="luca") == 100
    launch = {"run": "luca", "generation": "2"}
    assert value(found, names.RECOVERY_STEPS_LOST, **launch) == 100
    assert value(found, names.RECOVERY_TIME_LOST, **launch) == pytest.approx(desk.history.recovery.seconds_lost)
    assert value(found, names.RECOVERY_TIME, **launch) == desk.history.recovery.at


def test_a_restart_and_its_recovery_name_their_launch_and_only_the_newest_is_told(world: World) -> None:
    desk = world.desk()
    told: list[tuple[float | None, list[str]]] = []

    def look() -> None:
        found = samples(exposition(world))
        recovered = [dict(labels)["generation"] for name, labels in found if name == names.RECOVERY_TIME.name]
        told.append((found.get((names.RESTART_GENERATION.name, (("run", "luca"),))), recovered))

    look()
    world.alert(desk)
    look()  # it is looked at, and nothing is decided
    for generation in (2, 3):
        world.run(desk, 120)
        look()
        world.set_progress(step=400, phase=Phase.TRAINING)
        world.step(20)
        world.run(desk, 2)
        look()
        world.end(code=1, words=f"RuntimeError: error {generation * 'a'}")
        world.alert(desk, "TrainwardenRunCrashed", generation=generation)
        look()
    assert told == [
        (None, []), (None, []), (2, []), (2, ["2"]), (2, ["2"]), (3, ["2"]), (3, ["3"]), (3, ["3"]),
    ]  # fmt: skip


def test_a_hold_is_told_by_its_reason_while_it_lasts(world: World) -> None:
    desk = world.desk()
    world.set_progress(phase=Phase.CHECKPOINTING)
    world.alert(desk)
    world.run(desk, 20)
    found = samples(exposition(world))
    assert {labels for name, labels in found if name == names.RESTART_HOLD.name} == {
        (("reason", desk.history.case.hold.value), ("run", "luca"))
    }


def test_exactly_one_state_is_1(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    for seconds in (0, 3, 6, 30, 30, 30):
        world.run(desk, seconds)
        found = samples(exposition(world))
        on = [state for state in State if value(found, names.RESTART_STATE, run="luca", state=state.value) == 1]
        assert on == [desk.history.state]


def test_a_run_that_was_given_up_needs_a_human_by_its_reason(world: World) -> None:
    world.set(resumable=False)
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 5)
    found = samples(exposition(world))
    assert _calls(found) == {**dict.fromkeys(LEDGER, 0), "not_resumable": 1}


def test_what_a_human_was_called_for_stays_at_0_when_the_run_is_started_anew(world: World) -> None:
    """Absent, it would stand on for as long as the rules look back."""
    world.set(resumable=False)
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 5)
    world.folder.write_spec(replace(world.spec, run_id="run-2"))
    found = samples(exposition(world))
    assert _calls(found) == {**dict.fromkeys(LEDGER, 0), "not_resumable": 0}


def test_a_hold_that_only_a_human_ends_stays_at_0_after_it(world: World) -> None:
    desk = world.desk(configuration.parse({"receiver": {"mode": "observe"}}, "trainwarden.yml"))
    world.end()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 5)
    assert _calls(samples(exposition(world)))["observe"] == 1
    world.alert(desk, "TrainwardenRunCrashed", firing=False)
    assert _calls(samples(exposition(world)))["observe"] == 0


def test_a_damaged_ledger_is_held_and_needs_a_human(world: World) -> None:
    world.folder.ledger_path.write_text("garbage\n")
    found = samples(exposition(world))
    assert _calls(found) == {reason.value: reason == "ledger_unreadable" for reason in NEEDS_HUMAN}
    assert value(found, names.RESTART_STATE, run="luca", state="held") == 1


def test_the_tally_counts_alerts(world: World) -> None:
    tally = Tally()
    tally.alert(Intake.FOREIGN)
    found = samples(exposition(world, tally))
    assert value(found, names.ALERTS_RECEIVED, outcome="foreign") == 1


def test_promtool_finds_nothing(world: World, tools: Tools) -> None:
    said = subprocess.run(
        [str(tools.promtool), "check", "metrics"], input=exposition(world).encode(), capture_output=True, check=False
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
