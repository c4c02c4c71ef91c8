"""The thread that acts: several runs, runs that come and go, damaged files, and only one receiver."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.restart.world import World
from tests.support.users import NOBODY, an_ordinary_user, reachable
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.config import Config
from trainwarden.model import Limits, Outcome
from trainwarden.restart import worker as module
from trainwarden.restart.intake import Notice
from trainwarden.restart.ledger import Ledger, LedgerError
from trainwarden.restart.states import Intake, State
from trainwarden.restart.worker import ReceiverRunningError, Worker

QUICK = Limits(look_apart=0.1, pause_after_stop=0.1, decide_again=0.2, checkpoint_settle=0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose time is the real one."""
    monkeypatch.setattr(module, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.05)
    monkeypatch.setattr(module, "REST_SECONDS", 0.1)
    world = RealTime(tmp_path, limits=QUICK, thresholds={"step_duration_seconds": {"warning": 0.1}})
    world.set_progress(median_step_seconds=0.01)
    world.save(4)
    return world


class RealTime(World):
    """The supervisor's beat follows the real clock."""

    def probe(self):
        self.mono = system.monotonic()
        self.set(training=self.state.training.__class__(system.boot_id(), 1, 1, 1))
        return super().probe()


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    worker = Worker(Config(), world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    yield worker
    worker.stop()


def notice(run: str = "luca", alert: str = "TrainwardenRunHung") -> Notice:
    return Notice(alert, run, 1, True, "f", "s")


def state(worker: Worker) -> State:
    desk = worker.desks.find("luca")
    assert desk is not None
    return desk.history.state


def test_an_alert_ends_in_a_launch(world: World, worker: Worker) -> None:
    worker.start()
    assert worker.take_in(notice()) is Intake.ACCEPTED
    wait_until(lambda: world.launched, 10, "a launch")
    wait_until(lambda: state(worker) is State.PROBATION, 5, "probation")
    assert world.launched == [("luca-000004-state", 2)]


def test_what_a_killed_receiver_left_open_is_taken_up_at_the_start(world: World, worker: Worker) -> None:
    world.end(Outcome.CRASHED)
    assert worker.take_in(notice(alert="TrainwardenRunCrashed")) is Intake.ACCEPTED
    worker.start()
    wait_until(lambda: world.launched, 10, "a launch")


def test_a_run_that_nobody_knows_is_foreign(worker: Worker) -> None:
    worker.start()
    assert worker.take_in(notice("nobody")) is Intake.FOREIGN


def test_a_run_of_another_user_is_none_of_ours(world: World, worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    other = world.root / "other"
    other.mkdir()
    (other / "run.json").touch()
    other.chmod(0)
    reachable(other)
    with an_ordinary_user():
        assert worker.take_in(notice("other")) is Intake.FOREIGN
    mend = f"sudo chown -R {NOBODY if os.geteuid() == 0 else os.geteuid()} {other}"
    assert f"run 'other': is another user's, and left to him; if it is yours, give it back: {mend}" in caplog.text


def test_a_second_receiver_is_refused_in_one_sentence(world: World, worker: Worker) -> None:
    worker.start()
    with pytest.raises(ReceiverRunningError, match="another receiver has the runs in"):
        Worker(Config(), world.root).start()


def test_a_damaged_ledger_holds_its_run_until_it_is_moved_aside(
    world: World, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    world.folder.ledger_path.write_text("garbage\n")
    worker.start()
    assert worker.take_in(notice()) is Intake.HELD
    assert worker.desks.unreadable() == ["luca"]
    assert "run 'luca' is held" in caplog.text
    world.folder.ledger_path.rename(world.folder.path / "ledger.aside")
    wait_until(lambda: worker.desks.unreadable() == [], 5, "it is read again")
    assert worker.take_in(notice()) is Intake.ACCEPTED


def test_a_ledger_that_cannot_be_written_stops_everything_and_is_tried_again(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Ledger.append
    broken = [True]

    def fails(self: Ledger, event: object) -> None:
        if broken[0]:
            raise LedgerError(f"{self.path}: cannot be written: No space left on device")
        append(self, event)

    worker.start()
    worker.take_in(notice())
    monkeypatch.setattr(Ledger, "append", fails)
    wait_until(lambda: worker.desks.find("luca").unwritable, 5, "it is noticed")
    assert (world.asked_to_stop, world.launched) == ([], [])
    broken[0] = False
    wait_until(lambda: world.launched, 10, "a launch")
    assert not worker.desks.find("luca").unwritable


def test_an_error_that_nobody_foresaw_is_logged_and_the_thread_goes_on(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        world.exporter = object()  # type: ignore[assignment]
        worker.start()
        worker.take_in(notice())
        wait_until(lambda: "nobody foresaw" in caplog.text, 5, "the log")
    from tests.restart.world import exporter_reading

    world.exporter = exporter_reading(0.0)
    wait_until(lambda: world.launched, 10, "a launch")
    assert worker.alive


def test_a_new_run_of_a_name_begins_with_a_new_desk(world: World, worker: Worker) -> None:
    from msgspec.structs import replace

    worker.start()
    first = worker.desks.find("luca")
    world.folder.write_spec(replace(world.spec, run_id="run-2"))
    assert worker.desks.find("luca") is not first
    assert worker.desks.find("luca").spec.run_id == "run-2"


def test_a_run_whose_folder_is_gone_is_forgotten(world: World, worker: Worker) -> None:
    worker.start()
    assert worker.desks.find("luca") is not None
    world.folder.spec_path.unlink()
    wait_until(lambda: worker.desks.all() == [], 5, "it is forgotten")
