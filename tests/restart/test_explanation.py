"""What would be decided, and what was: by the same facts and the same policy, and nothing touched."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from tests.restart.world import World, ledger
from trainwarden.cli import main
from trainwarden.errors import RunFolderError
from trainwarden.model import Outcome
from trainwarden.restart import explain, explanation
from trainwarden.restart.events import Decided
from trainwarden.restart.exporter import ExporterReading
from trainwarden.restart.states import RestartReason
from trainwarden.runs import visible


def told(world: World) -> tuple[str, str]:
    found = explanation.now(world.desk(), world.pass_time)
    return found.decision, found.reason


def test_a_hang_would_be_restarted_and_nothing_is_entered(world: World) -> None:
    before = world.mono
    assert told(world) == ("restart", "hung")
    assert world.mono - before >= 7.5, "two readings, three of its own median steps apart"
    assert (ledger(world.desk()), world.asked_to_stop, world.launched) == ([], [], [])


def test_a_run_that_steps_is_left_alone(world: World) -> None:
    def wait(seconds: float) -> None:
        world.pass_time(seconds)
        world.step(3)

    found = explanation.now(world.desk(), wait)
    assert (found.decision, found.reason, found.facts.new_steps) == ("hold", "alive", 3)


def test_a_dead_run_needs_no_second_reading(world: World) -> None:
    world.end(Outcome.FINISHED, code=0)
    before = world.mono
    assert told(world) == ("hold", "finished")
    assert world.mono == before


def test_what_was_decided_is_decided_again_by_the_recorded_facts(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 100)
    [found] = explanation.recorded(ledger(desk), "run-1")
    assert (found.decision, found.reason, found.entered, found.facts.step) == ("restart", "hung", "", 500)
    assert list(explanation.recorded(ledger(desk), "another use of the name")) == []


def test_a_decision_that_the_policy_would_not_take_any_more_is_told(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 100)
    crashed = RestartReason.CRASHED
    lines = [replace(event, reason=crashed) if isinstance(event, Decided) else event for event in ledger(desk)]
    [found] = explanation.recorded(lines, "run-1")
    assert (found.reason, found.entered) == ("hung", "restart: crashed")


def test_only_what_speaks_is_shown(world: World) -> None:
    found = explanation.now(world.desk(), world.pass_time)
    shown = explanation.notable(found.facts)
    assert shown["gpu_ratio"] == 0.0
    assert "wedged" not in shown
    assert "error" not in shown  # it lives


def test_gpus_named_by_a_number_that_may_not_be_the_drivers_are_no_proof_and_the_mend_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.set(gpus=["0"])
    world.exporter = ExporterReading(driver_answers=True, run_gpus=None, gpus={}, models=("NVIDIA A100", "NVIDIA T4"))
    found = explanation.now(world.desk(), world.pass_time)
    assert (found.decision, found.reason, found.facts.gpus_in_doubt) == ("hold", "no_gpu", True)
    explain._print(found, as_json=False)
    assert visible.DOUBT in capsys.readouterr().out
    world.set(gpus_by_bus=True)
    assert not explanation.now(world.desk(), world.pass_time).facts.gpus_in_doubt


def test_a_run_that_was_never_seen_is_one_sentence(world: World) -> None:
    world.folder.state_path.unlink()
    world.answers = False
    with pytest.raises(RunFolderError, match="nothing is known of it yet"):
        told(world)


def test_the_command_prints_the_ledgers_decisions(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 100)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "state/trainwarden").mkdir(parents=True)
    (tmp_path / "state/trainwarden/runs").symlink_to(world.root)
    said = CliRunner().invoke(main, ["explain", "luca", "--recorded", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["reason"] == "hung"
    assert "restart: hung" in CliRunner().invoke(main, ["explain", "luca", "--recorded"]).stdout
    absent = CliRunner().invoke(main, ["explain", "mia"])
    assert (absent.exit_code, "there is no run 'mia' in" in absent.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("gpu_ratio", 0.031, "3.1 %"),
        ("io_rate", 2048.0, "2 KiB/s"),
        ("saving_seconds", 150.0, "2 min 30 s"),
        ("gpu_memory_used", {"GPU-1": 2**30}, "GPU-1: 1 GiB"),
        ("checkpoint", {"step": 60, "epoch": None, "final": False}, "step: 60\nepoch: not known\nfinal: no"),
        ("passed_over", ["[a] is half", "b too"], "[a] is half\nb too"),
    ],
)  # fmt: skip
def test_a_fact_is_read_as_people_do(name: str, value: object, read: str) -> None:
    assert explain.readable(name, value) == read
