"""The Slurm engine on a real slurmctld, slurmd and munged."""

import os
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.died import DiedError, dying
from tests.support.slurm import Slurm
from tests.support.wait import wait_until
from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers import slurm as engine_module
from trainwarden.launchers.engine import Order, Status
from trainwarden.launchers.slurm import SlurmEngine
from trainwarden.launching import SlurmOptions

pytestmark = pytest.mark.heavy
WRAPPER = Path(__file__).with_name("wrapper.py")
SAVES = "trap 'echo saved; trap - TERM; kill -TERM $$' TERM; echo began; while :; do sleep 0.1; done"
OVER = 60


class World:
    """A run's folder, its job script, and the engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = os.urandom(8).hex()
        script = folder / "job.sh"
        script.write_text(f"#!/bin/bash\nexec {sys.executable} {WRAPPER} {folder}\n")
        self.engine = SlurmEngine(SlurmOptions(script="job.sh", arguments=["--partition=p"]))

    def order(self, generation: int, *argv: str, written: bool = True) -> Order:
        order = Order(
            name="luca",
            run_id=self.run_id,
            generation=generation,
            argv=list(argv),
            cwd=str(self.folder),
            environment={"TRAINWARDEN_GENERATION": str(generation)},
            output=str(self.folder / f"output.{generation}.log"),
        )
        if written:
            (self.folder / f"order.{generation}.json").write_bytes(msgspec.json.encode(order))
        return order

    def said(self, generation: int) -> str:
        path = self.folder / f"output.{generation}.log"
        return path.read_text() if path.exists() else ""

    def ended(self, handle: str) -> Status:
        wait_until(lambda: not self.engine.probe(handle).alive, OVER, f"{handle} has ended", every=0.2)
        return self.engine.probe(handle)

    def start(self, generation: int, script: str) -> str:
        return self.engine.start(self.order(generation, "sh", "-c", script))


@pytest.fixture
def world(slurm: Slurm, tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_job_that_fails_is_requeued_for_the_next_launch_with_an_output_of_its_own(slurm: Slurm, world: World) -> None:
    first = world.start(1, "echo one $TRAINWARDEN_GENERATION; exit 3")
    ended = world.ended(first)
    assert (ended.exit_code, ended.signal, ended.by_hand) == (3, None, False)
    assert ended.at is not None
    assert world.said(1) == "one 1\n"

    second = world.start(2, "echo two $TRAINWARDEN_GENERATION; echo on stderr >&2; exit 0")
    assert second.split()[0] == first.split()[0], "the same job goes on"
    assert world.engine.probe(second).alive, "a requeued job waits for its time to begin, which is no end"
    assert not world.engine.probe(first).alive, "and the former launch does not live again"
    ended = world.ended(second)
    assert (ended.exit_code, ended.by_hand) == (0, False)
    assert world.said(2) == "two 2\non stderr\n"
    assert world.said(1) == "one 1\n"
    assert slurm.show(first.split()[0])["Restarts"] == "1"


def test_a_finished_and_a_cancelled_job_are_never_requeued(slurm: Slurm, world: World) -> None:
    first = world.start(1, "exit 0")
    assert world.ended(first).exit_code == 0
    second = world.start(2, "sleep 600")
    assert second.split()[0] != first.split()[0]
    wait_until(lambda: slurm.show(second.split()[0])["JobState"] == "RUNNING", OVER, "it runs")
    slurm.ask("scancel", second.split()[0])
    ended = world.ended(second)
    assert ended.by_hand
    third = world.start(3, "sleep 600")
    assert third.split()[0] not in (first.split()[0], second.split()[0])
    assert slurm.show(first.split()[0])["JobState"] == "COMPLETED"


def test_nothing_is_launched_beside_a_living_job_nor_twice(world: World) -> None:
    first = world.start(1, "sleep 600")
    assert world.engine.find(world.order(1, written=False)) == first
    assert world.engine.find(world.order(2, written=False)) is None
    for generation in (1, 2):
        with pytest.raises(RefusedError, match=r"job \d+ of run 'luca' is still (PENDING|RUNNING|CONFIGURING)"):
            world.engine.start(world.order(generation, "true", written=False))
    world.engine.stop(first, kill=True)
    world.ended(first)
    with pytest.raises(RefusedError, match=r"launch 1 of run 'luca' has been job \d+ already"):
        world.engine.start(world.order(1, "true", written=False))


def test_a_polite_stop_lets_the_training_save_and_a_job_that_waits_is_cancelled(slurm: Slurm, world: World) -> None:
    first = world.start(1, SAVES)
    wait_until(lambda: "began" in world.said(1), OVER, "it trains")
    world.engine.stop(first, kill=False)
    ended = world.ended(first)
    assert (ended.signal, ended.by_hand) == (15, False)
    assert "saved" in world.said(1)
    world.engine.stop(first, kill=True)  # of what has ended, nothing happens
    assert world.engine.probe(first) == ended

    second = world.start(2, SAVES)
    assert slurm.show(second.split()[0])["JobState"] == "PENDING"
    world.engine.stop(second, kill=False)
    assert world.ended(second).by_hand
    assert world.said(2) == ""


def test_a_restart_that_was_interrupted_is_carried_on_and_never_doubled(slurm: Slurm, world: World) -> None:
    first = world.start(1, "exit 3")
    job = first.split()[0]
    world.ended(first)
    order = world.order(2, "sh", "-c", "echo two; sleep 600")

    slurm.ask("scontrol", "requeuehold", job)  # ... and the caller dies here
    assert world.engine.find(order) is None
    second = world.engine.start(order)
    assert second.split()[0] == job

    world.engine.stop(second, kill=True)
    world.ended(second)
    third = world.order(3, "sh", "-c", "exit 4")
    handle = world.engine.start(third)
    world.ended(handle)
    number = handle.split()[0]
    fourth = world.order(4, "sh", "-c", "echo four; sleep 600")
    slurm.ask("scontrol", "requeuehold", number)
    mark = f"trainwarden:{world.run_id}:4:1"
    slurm.ask("scontrol", "update", f"JobId={number}", f"Comment={mark}", f"StdOut={fourth.output}")  # ... or here
    assert world.engine.find(fourth) is None, "it is held, so nothing was launched yet"
    assert world.engine.start(fourth) == f"{number} {mark}"
    assert world.engine.find(fourth) == f"{number} {mark}"
    wait_until(lambda: "four" in world.said(4), OVER, "it runs, and writes where it should")
    assert len(slurm.jobs()) == len({*slurm.jobs()})
    assert (world.folder / "taken.4.json").exists()


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3], ids=["requeuehold", "update", "release"])
def test_a_caller_killed_at_any_command_of_a_requeue_leaves_one_launch(
    slurm: Slurm, world: World, monkeypatch: pytest.MonkeyPatch, at: int, before: bool
) -> None:
    first = world.start(1, "exit 3")
    world.ended(first)
    order = world.order(2, "sh", "-c", "echo two; sleep 600")
    acts = ("requeuehold", "update", "release")
    with monkeypatch.context() as patch:
        patch.setattr(
            engine_module, "_ask", dying(engine_module._ask, lambda *argv: argv[1] in acts, at, before=before)
        )
        with pytest.raises(DiedError):
            world.engine.start(order)
    handle = world.engine.find(order) or world.engine.start(order)
    assert world.engine.find(order) == handle
    assert handle == f"{first.split()[0]} trainwarden:{world.run_id}:2:1", "the same job, requeued once"
    wait_until(lambda: world.said(2) == "two\n", OVER, "it runs")


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_caller_killed_at_the_submission_leaves_one_job(
    slurm: Slurm, world: World, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    had = len(slurm.jobs())
    order = world.order(1, "sh", "-c", "echo one; sleep 600")
    with monkeypatch.context() as patch:
        patch.setattr(
            engine_module, "_ask", dying(engine_module._ask, lambda *argv: argv[0] == "sbatch", 1, before=before)
        )
        with pytest.raises(DiedError):
            world.engine.start(order)
    handle = world.engine.find(order) or world.engine.start(order)
    assert world.engine.find(order) == handle
    assert len(slurm.jobs()) == had + 1
    wait_until(lambda: world.said(1) == "one\n", OVER, "it runs")


def test_a_job_that_slurm_requeues_by_itself_has_ended_and_takes_the_next_launch(slurm: Slurm, world: World) -> None:
    first = world.start(1, "echo one; sleep 600")
    job = first.split()[0]
    wait_until(lambda: "one" in world.said(1), OVER, "it trains")
    slurm.lose_node()
    ended = world.ended(first)
    slurm.find_node()
    assert (ended.exit_code, ended.signal, ended.by_hand) == (None, None, False)
    assert slurm.show(job)["Restarts"] == "1"
    second = world.start(2, "echo two; sleep 600")
    assert second.split()[0] == job, "no second job beside the one that waits"
    wait_until(lambda: "two" in world.said(2), OVER, "the waiting job runs the next order")


def test_a_job_that_slurm_requeues_never_starts_from_zero(slurm: Slurm, world: World) -> None:
    first = world.start(1, "echo one; sleep 600")
    job = first.split()[0]
    wait_until(lambda: "one" in world.said(1), OVER, "it trains")
    slurm.ask("scontrol", "requeue", job)
    wait_until(lambda: slurm.show(job)["JobState"] == "FAILED", OVER, "the requeued job ran and found no order")
    assert world.said(1).count("one") == 1
    assert "no order" in world.said(1)
    assert world.engine.probe(first) == Status(alive=False, cut_off=True)
    second = world.start(2, "echo two")
    assert second.split()[0] == job
    assert world.ended(second).exit_code == 0


def test_a_forgotten_job_has_ended_and_a_silent_controller_says_nothing(
    slurm: Slurm, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.engine.probe(f"999999 trainwarden:{world.run_id}:1:0") == Status(alive=False)
    nobody = tmp_path / "nobody.conf"
    lines = slurm.conf.read_text().splitlines()
    nobody.write_text("\n".join("SlurmctldPort=1" if line.startswith("SlurmctldPort") else line for line in lines))
    monkeypatch.setenv("SLURM_CONF", str(nobody))
    with pytest.raises(TrainwardenError, match="scontrol"):
        world.engine.probe(f"999999 trainwarden:{world.run_id}:1:0")
    with pytest.raises(TrainwardenError, match="scontrol"):
        world.engine.check(world.order(1, "true", written=False))


def test_a_wrong_partition_is_refused_in_slurms_own_words(world: World) -> None:
    engine = SlurmEngine(SlurmOptions(script="job.sh", arguments=["--partition", "nope"]))
    with pytest.raises(RefusedError, match=r"sbatch: .*invalid partition"):
        engine.start(world.order(1, "true"))
