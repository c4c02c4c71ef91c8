"""A run in a control group of its own is stopped to its last process; in one that it shares, nobody else is touched."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervise.conftest import Runs, state, stop, until_closed, until_output
from tests.support.cgroups import living, slice_of_ours, start_in
from tests.support.engines import by_command
from tests.support.wait import wait_until
from trainwarden.launching import Launching
from trainwarden.model import Outcome
from trainwarden.supervise import kept

TRAINING = """
import os, sys, time
if not os.fork():
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execve(sys.executable, [sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(600)"], {})
os.wait()
print("it trains", flush=True)
time.sleep(600)
"""
"""Leaves a daemon that shed its parent, its session and its environment, and is deaf to SIGTERM."""


@pytest.fixture(params=["", "name=systemd"], ids=["v2", "v1"])
def top(request: pytest.FixtureRequest) -> Iterator[Path]:
    with slice_of_ours(request.param) as top:
        yield top


def in_unit(folder: Path, unit: Path) -> Launching:
    """The job manager, which starts what it starts in this group, as systemd would."""
    unit.mkdir(exist_ok=True)
    return by_command(folder, group=unit)


def test_a_unit_of_its_own_is_stopped_with_the_daemon_that_hid_in_it(runs: Runs, top: Path, tmp_path: Path) -> None:
    unit = top / "trainwarden-luca-1.service"
    neighbour = start_in(top / "neighbour.service", "sleep", "600")
    folder = runs.start([sys.executable, "-c", TRAINING], launcher=in_unit(tmp_path, unit))
    until_output(folder, "it trains")
    wrapper = wait_until(lambda: (found := kept.read(folder)) and found.wrapper, 20, "its group is known")
    wait_until(lambda: len(state(folder).members) == 2, 20, "the training and its daemon")
    assert {member.pid for member in state(folder).members} == set(living(unit)) - {wrapper.pid}
    stop(folder, final=True)
    closed = until_closed(folder)
    assert closed.ended is not None and closed.ended.outcome is Outcome.STOPPED_BY_USER
    assert living(unit) == []
    assert neighbour.poll() is None
    neighbour.kill()
    neighbour.wait()


def test_in_a_group_that_it_shares_nobody_is_stopped_for_being_in_it(runs: Runs, top: Path, tmp_path: Path) -> None:
    unit = top / "somebodys.service"
    neighbour = start_in(unit, "sleep", "600")
    folder = runs.start([sys.executable, "-c", TRAINING], launcher=in_unit(tmp_path, unit))
    until_output(folder, "it trains")
    wait_until(lambda: len(state(folder).members) == 1, 10, "the training")
    stop(folder, final=True)
    until_closed(folder)
    record = kept.read(folder)
    assert record is not None and record.cgroup is None
    assert neighbour.poll() is None
    assert len(living(unit)) == 2, "the neighbour, and the daemon that nobody could tell from another's"
    neighbour.kill()
    neighbour.wait()
