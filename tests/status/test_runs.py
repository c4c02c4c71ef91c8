"""What is said of a run: who leaves it alone, what the receiver did for it, what it printed."""

import re
import time

import pytest
from msgspec.structs import replace

from tests.collectors.samples import state
from tests.golden import status
from tests.status.conftest import World
from trainwarden import config as configuration
from trainwarden.model import Ended, Outcome
from trainwarden.restart import events
from trainwarden.restart.ledger import Ledger
from trainwarden.restart.states import GiveUpReason, HoldReason
from trainwarden.runs import visible
from trainwarden.runs.folder import RunFolder
from trainwarden.status.report import Level, Run


def only(world: World) -> Run:
    return world.look().runs["luca"]


def entered(folder: RunFolder, *every: events.AnyEvent) -> None:
    for event in every:
        Ledger(folder.ledger_path).append(event)


def test_a_run_in_training(world: World) -> None:
    world.run()
    run = only(world)
    assert (run.phase, run.state, run.live, run.step, run.max_steps) == ("training", "watching", True, 400, 1000)
    assert (run.restarts, run.restarts_left) == (0, 3)
    assert not (run.paused or run.observed or run.attached)


def test_what_is_left_is_told_at_the_runs_own_pace(world: World) -> None:
    folder = world.run()
    (told,) = folder.read_progress()
    assert only(world).remaining_seconds is None
    folder.write_progress(replace(told, median_step_seconds=2.0))
    assert only(world).remaining_seconds == pytest.approx(1200)


def test_paused_observed_and_attached_are_said(world: World) -> None:
    world.run(attached=True).pause()
    world.config = configuration.parse({"receiver": {"mode": "observe"}}, "test")
    run = only(world)
    assert (run.paused, run.observed, run.attached) == (True, True, True)
    text = status.as_text(world.look(), columns=200)
    assert "paused until trainwarden resume luca; mode: observe; attached: watched, and never touched" in text


def test_what_the_receiver_does_is_said_in_the_words_of_the_states(world: World) -> None:
    folder = world.run()
    opened = events.Accepted(generation=1, alert="TrainwardenRunHung", run_id="id")
    entered(folder, opened, events.Held(reason=HoldReason.PAUSED, passing=True, run_id="id"))
    run = only(world)
    assert (run.state, run.held_for, run.needs_human, run.level) == ("held", "paused", None, Level.SAFE)
    entered(folder, events.GaveUp(reason=GiveUpReason.NAN_LOSS, detail="", run_id="id"))
    run = only(world)
    assert (run.state, run.needs_human, run.level) == ("giving_up", "nan_loss", Level.DANGER)


def test_a_damaged_ledger_is_one_line_and_the_rest_is_told(world: World) -> None:
    world.run().ledger_path.write_text("?\n")
    report = world.look()
    assert (report.runs["luca"].state, report.runs["luca"].step) == (None, 400)
    (fault,) = report.faults
    assert "ledger.jsonl: line 1 is damaged" in fault.fault
    assert "its ledger cannot be read, so it is left alone" in status.as_text(report, columns=200)


def test_a_damaged_run_takes_only_itself_away(world: World) -> None:
    world.run("luca")
    world.run("mia").spec_path.write_text("{")
    report = world.look()
    assert report.runs.keys() == {"luca"}
    assert [fault.collector for fault in report.faults] == ["runs"]


def test_the_last_line_is_that_of_the_bar_and_moves_no_cursor(world: World) -> None:
    bar = b"epoch 1\r\x1b[2Ksteps: 41%| 4274\r\x1b[2Ksteps: 42%| \x1b[32m4275\x07\x1b[0m\x1b]0;title\x07\r\n"
    world.run().output_path(1).write_bytes(bar)
    report = world.look()
    assert report.runs["luca"].last_line.startswith("steps: 42%| 4275")
    assert "\x07" not in status.as_text(report)
    assert "\x1b" not in status.as_text(report)


def test_what_a_run_prints_is_no_markup_of_ours(world: World) -> None:
    world.run().output_path(1).write_text("[red]loss[/red] [/nothing]\n")
    assert "[red]loss[/red] [/nothing]" in status.as_text(world.look())


def test_a_run_that_never_came_up_is_told(world: World) -> None:
    world.run("luca", created_at=time.time())
    folder = RunFolder("luca", world.root)
    folder.state_path.unlink()
    run = only(world)
    assert (run.generation, run.step, run.last_line, run.live) == (0, None, "", True)
    assert "starting, generation 0" in status.as_text(world.look())


def test_a_run_that_could_not_be_resumed_says_why(world: World) -> None:
    folder = world.run()
    told = folder.read_state()
    assert told and only(world).not_resumable == ""
    folder.write_state(replace(told, resumable=False, resumable_reason="add --save_state"))
    assert only(world).not_resumable == "add --save_state"
    assert re.search(r"no resume +add --save_state", status.as_text(world.look()))


def test_a_run_whose_gpus_cannot_be_told_says_why(world: World) -> None:
    folder = world.run()
    told = folder.read_state()
    world.second = "another card"
    assert told and only(world).gpus_unknown == ""
    folder.write_state(replace(told, gpus=["0"]))
    assert only(world).gpus_unknown == visible.DOUBT
    assert re.search(r"GPUs +CUDA_VISIBLE_DEVICES names", status.as_text(world.look()))
    folder.write_state(replace(told, gpus=["0"], gpus_by_bus=True))
    assert only(world).gpus_unknown == ""


def test_a_run_that_is_dead_is_a_line_only_where_nothing_is_to_be_done_for_it(world: World) -> None:
    dead = Ended(Outcome.STOPPED_FOR_RESTART, time.time(), signal=15, reason="It was asked to stop.")
    folder = world.run("luca", state(open=True, ended=dead, beat_at=time.time()))
    assert "It was asked to stop." not in status.as_text(world.look())
    opened = events.Accepted(generation=1, alert="TrainwardenRunHung", run_id="id")
    entered(folder, opened)
    assert "restart: looking" in status.as_text(world.look())
    assert "It was asked to stop." in status.as_text(world.look())


def test_of_a_crashed_run_it_is_said_why_and_what_it_printed_last(world: World) -> None:
    dead = Ended(Outcome.CRASHED, time.time(), exit_code=1, reason="It ended with exit code 1.")
    world.run("luca", state(open=False, ended=dead, beat_at=time.time())).output_path(1).write_text("RuntimeError: x\n")
    text = status.as_text(world.look())
    assert "It ended with exit code 1." in text
    assert "RuntimeError: x" in text
