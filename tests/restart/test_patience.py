"""What cannot be reached or read holds up its own run alone, and ends with a human who is called."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.restart.world import World, ledger
from trainwarden.checkpoints import catalog
from trainwarden.restart import choosing
from trainwarden.restart.procedure import tick
from trainwarden.restart.states import CallReason, HoldReason, State


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Every look into a checkpoint folder blocks until this is set."""
    release, sign = threading.Event(), catalog.sign

    def never(path: Path) -> object:
        release.wait(60)
        return sign(path)

    monkeypatch.setattr(catalog, "sign", never)
    monkeypatch.setattr(choosing, "LISTING_SECONDS", 0.05)
    yield release
    release.set()


def stale(path: Path) -> object:
    raise OSError(116, "Stale file handle")


def test_a_checkpoint_folder_that_blocks_holds_the_run_and_calls_a_human(
    world: World, blocked: threading.Event
) -> None:
    world.end()
    desk = world.desk()
    world.alert(desk, "TrainwardenRunCrashed")
    world.run(desk, 100, every=5)
    assert (desk.history.state, desk.history.case.hold) == (State.HELD, HoldReason.CHECKPOINTS_SILENT)
    world.run(desk, 600, every=5)
    assert (desk.history.needs_human, world.launched) == (CallReason.CHECKPOINTS_UNREADABLE, [])
    assert world.events(desk) == ["Accepted", "Held", "Called"]


def test_an_error_in_the_listing_holds_the_run_calls_a_human_and_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.end()
    desk = world.desk()
    with monkeypatch.context() as broken:
        broken.setattr(catalog, "sign", stale)
        world.alert(desk, "TrainwardenRunCrashed")
        world.run(desk, 700, every=5)
        assert desk.history.needs_human is CallReason.CHECKPOINTS_UNREADABLE
        assert "Stale file handle" in ledger(desk)[-1].detail
    world.run(desk, 200)
    assert (len(world.launched), desk.history.needs_human) == (1, None)


def test_a_listing_that_fails_after_the_stop_calls_a_human(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 30)
    assert desk.history.state is State.PAUSING
    monkeypatch.setattr(catalog, "sign", stale)
    world.run(desk, 1200, every=5)
    assert (desk.history.needs_human, world.launched) == (CallReason.CHECKPOINTS_UNREADABLE, [])


def test_an_error_that_nobody_foresaw_calls_a_human_in_the_end(world: World) -> None:
    desk = world.desk()
    world.exporter = object()  # type: ignore[assignment]
    world.alert(desk)
    for _ in range(100):
        with suppress(AttributeError):
            tick(desk, world.now())
        world.pass_time(10)
    assert desk.history.needs_human is CallReason.STAGE_FAILS
    assert "AttributeError" in ledger(desk)[-1].detail


def test_a_supervisor_that_stays_silent_calls_a_human(world: World) -> None:
    """Its keeper may have been killed with it: then nobody starts another, and nothing else would ever say so."""
    world.answers = False
    desk = world.desk()
    world.alert(desk)
    world.run(desk, 700, every=5)
    assert (desk.history.needs_human, world.launched) == (CallReason.SUPERVISOR_UNREACHABLE, [])
