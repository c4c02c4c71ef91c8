"""The evidence of a restart: enough for the morning, and bounded."""

import json
import os
from pathlib import Path

import pytest

from tests.restart.world import World, exporter_reading, ledger
from trainwarden.restart import bundle
from trainwarden.restart.events import Captured, Decided
from trainwarden.restart.facts import Facts
from trainwarden.restart.states import RestartReason, State


def write(world: World, at: float) -> Path:
    known = {"reason": RestartReason.HUNG, "facts": Facts(), "gpus": exporter_reading()}
    return bundle.write(world.folder, generation=1, at=at, **known)


def captured(world: World) -> Captured:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 30)
    return next(event for event in ledger(desk) if isinstance(event, Captured))


def test_a_restart_leaves_its_decision_the_last_output_the_runs_files_and_the_gpus(world: World) -> None:
    world.folder.output_path(1).write_bytes(b"x" * bundle.TAIL_BYTES + b"the end")
    folder = Path(captured(world).folder)
    assert folder.parent == world.folder.evidence_path
    decision = json.loads((folder / "decision.json").read_text())
    assert (decision["reason"], decision["generation"], decision["facts"]["step"]) == ("hung", 1, 500)
    output = (folder / "output.log").read_bytes()
    assert (len(output), output[-7:]) == (bundle.TAIL_BYTES, b"the end")
    assert json.loads((folder / "state.json").read_text())["run_id"] == "run-1"
    assert json.loads((folder / "output-0.json").read_text())["step"] == 500
    assert json.loads((folder / "gpus.json").read_text())["driver_answers"] is True


def test_evidence_that_cannot_be_written_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle, "write", full)
    event = captured(world)
    assert (event.folder, event.detail) == ("", f"{world.folder.evidence_path}: No space left on device")
    desk = world.desk()
    world.run(desk, 100)
    assert desk.history.state is State.PROBATION


def test_only_the_newest_bundles_are_kept(world: World) -> None:
    for number in range(bundle.KEPT + 5):
        made = write(world, 1000.0 + number)
        os.utime(made, (number, number))
    names = {path.name for path in world.folder.evidence_path.iterdir()}
    assert len(names) == bundle.KEPT and "1-1014.000000" in names and "1-1000.000000" not in names


def test_writing_it_again_after_a_kill_is_the_same_bundle(world: World) -> None:
    assert write(world, 1000.5) == write(world, 1000.5)


def test_a_second_decision_about_a_case_leaves_the_evidence_of_the_first(world: World) -> None:
    desk = world.desk()
    world.alert(desk)
    desk.write(Decided(reason=RestartReason.HUNG, facts=Facts(step=500)), world.now(), desk.history)
    world.folder.pause()
    world.run(desk, 5)
    assert desk.history.state is State.HELD
    (first,) = (path.read_bytes() for path in world.folder.evidence_path.glob("*/decision.json"))
    world.folder.resume()
    world.run(desk, 120)
    both = [path.read_bytes() for path in world.folder.evidence_path.glob("*/decision.json")]
    assert len(both) == 2 and first in both
