"""Whose the processes on the GPUs are."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import BOOT, NOW, spec, state, values, write
from trainwarden.collectors.gpu import Gpu, GpusReading, Process
from trainwarden.collectors.gpu.processes import families
from trainwarden.collectors.runs import Runs, RunsReading
from trainwarden.model import Ended, Identity, Member, Outcome
from trainwarden.runs.folder import RunFolder
from trainwarden.system import ProcessStat, pid_namespace, read_stat

GIB = 1024**3
MEMORY = "trainwarden_gpu_process_memory_bytes"
PIDS = "trainwarden_gpu_pid_memory_bytes"
FOREIGN = "trainwarden_run_gpu_foreign_processes"
STRANGER = 2**22 + 1
"""Above the kernel's highest pid."""


def myself() -> ProcessStat:
    stat = read_stat(os.getpid())
    assert stat is not None
    return stat


def member(**facts: Any) -> Member:
    """This very process, the only one whose identity a test can know."""
    return Member(**{"pid": os.getpid(), "start_time": myself().start_time, "state": "R", **facts})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def run(root: Path, name: str = "luca", *members: Member, namespace: int | None = None, **facts: Any) -> None:
    """A run on the first card whose supervisor beats."""
    training = Identity(BOOT, 1, 1, pid_namespace() if namespace is None else namespace)
    write(root, spec(name, gpus=[0]), state(training=training, members=list(members), **facts))


def read(root: Path) -> RunsReading:
    return Runs(root, 0).read(NOW, BOOT)


def cards(*processes: tuple[int, int | None]) -> GpusReading:
    return GpusReading(gpus=(Gpu(index=0, uuid="u", up=True, processes=tuple(Process(*p) for p in processes)),))


def test_memory_is_summed_by_run_and_what_is_no_runs_stands_under_an_empty_one(root: Path) -> None:
    reading = cards((os.getpid(), GIB), (os.getpid(), GIB), (STRANGER, 3 * GIB))
    run(root, "luca", member())
    found = values(families(reading, read(root)))
    assert found == {MEMORY: {"0,luca,u": 2 * GIB, "0,,u": 3 * GIB}, FOREIGN: {"0,luca,u": 1}}


def test_a_run_alone_on_its_card_has_no_strangers_there(root: Path) -> None:
    run(root, "luca", member())
    assert values(families(cards((os.getpid(), GIB)), read(root)))[FOREIGN] == {"0,luca,u": 0}


def test_the_members_of_another_run_are_strangers_too(root: Path) -> None:
    run(root, "luca", member())
    run(root, "mia")
    found = values(families(cards((os.getpid(), GIB)), read(root)))
    assert found[FOREIGN] == {"0,luca,u": 0, "0,mia,u": 1}


def test_a_driver_that_does_not_tell_the_memory_leaves_the_strangers_countable(root: Path) -> None:
    run(root, "luca", member())
    found = values(families(cards((os.getpid(), None), (STRANGER, None)), read(root)))
    assert found == {FOREIGN: {"0,luca,u": 1}}


def test_a_driver_that_does_not_tell_pids_says_nothing_about_strangers(root: Path) -> None:
    reading = GpusReading(gpus=(Gpu(index=0, uuid="u", up=True, processes=None),))
    run(root)
    assert values(families(reading, read(root), by_pid=True)) == {}


def test_a_pid_that_was_given_anew_is_a_strangers(root: Path) -> None:
    run(root, "luca", member(start_time=1))
    found = values(families(cards((os.getpid(), GIB)), read(root)))
    assert found == {MEMORY: {"0,,u": GIB}, FOREIGN: {"0,luca,u": 1}}


def test_a_member_that_its_supervisor_has_just_seen_is_not_looked_up_again(root: Path) -> None:
    run(root, "luca", member(start_time=1))
    reading = cards((os.getpid(), GIB))
    found = {later: values(families(reading, read(root), now=NOW + later))[FOREIGN] for later in (1, 60)}
    assert found == {1: {"0,luca,u": 0}, 60: {"0,luca,u": 1}}


def test_pids_of_another_namespace_mean_nothing_here_and_nobody_is_called_a_stranger(root: Path) -> None:
    run(root, "mia", member(), namespace=1)
    assert values(families(cards((os.getpid(), GIB)), read(root))) == {}
    run(root, "luca")
    assert values(families(cards((STRANGER, GIB)), read(root))) == {FOREIGN: {"0,luca,u": 1}}


def test_a_run_that_cannot_be_read_may_own_what_seems_to_be_nobodys(root: Path) -> None:
    run(root, "luca")
    run(root, "mia")
    RunFolder("mia", root).state_path.write_text("{")
    assert values(families(cards((STRANGER, GIB)), read(root))) == {FOREIGN: {"0,luca,u": 1}}


def test_a_tree_of_another_machine_tells_nobodys_pid(root: Path, tmp_path: Path) -> None:
    run(root, "luca", member())
    assert values(families(cards((os.getpid(), GIB)), read(root), proc=tmp_path)) == {}


def test_a_run_that_is_over_has_no_strangers(root: Path) -> None:
    run(root, ended=Ended(Outcome.FINISHED, NOW))
    assert values(families(cards((STRANGER, GIB)), read(root))) == {MEMORY: {"0,,u": GIB}}


@pytest.mark.parametrize("by_pid", [False, True])
def test_pids_are_told_only_where_they_are_asked_for(root: Path, by_pid: bool) -> None:
    reading = cards((os.getpid(), GIB), (STRANGER, None))
    run(root, "luca", member())
    found = values(families(reading, read(root), by_pid=by_pid))
    assert found.get(PIDS) == ({f"0,{os.getpid()},luca,u": GIB} if by_pid else None)
