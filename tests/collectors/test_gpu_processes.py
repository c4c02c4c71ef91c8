"""Whose the processes on the GPUs are."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import spec, state, values
from trainwarden.collectors.gpu import Gpu, GpusReading, Process
from trainwarden.collectors.gpu.processes import families
from trainwarden.collectors.runs import Run
from trainwarden.model import Identity, Member, Phase
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


def run(name: str = "luca", members: Iterable[Member] = (), namespace: int | None = None, **facts: Any) -> Run:
    training = Identity("boot", 1, 1, pid_namespace() if namespace is None else namespace)
    usual = {
        "spec": spec(name, gpus=[0]),
        "state": state(training=training, members=list(members)),
        "progress": None,
        "up": True,
        "phase": Phase.TRAINING,
        "phase_since": 0.0,
        "framework": "",
        "errors": {},
        "nonfinite_losses": 0,
        "writers": {},
    }
    return Run(**{**usual, **facts}, name=name)


def cards(*processes: tuple[int, int | None]) -> GpusReading:
    return GpusReading(gpus=(Gpu(index=0, uuid="u", up=True, processes=tuple(Process(*p) for p in processes)),))


def test_memory_is_summed_by_run_and_what_is_no_runs_stands_under_an_empty_one() -> None:
    reading = cards((os.getpid(), GIB), (os.getpid(), GIB), (STRANGER, 3 * GIB))
    found = values(families(reading, [run(members=[member()])]))
    assert found == {MEMORY: {"0,luca,u": 2 * GIB, "0,,u": 3 * GIB}, FOREIGN: {"0,luca,u": 1}}


def test_a_run_alone_on_its_card_has_no_strangers_there() -> None:
    assert values(families(cards((os.getpid(), GIB)), [run(members=[member()])]))[FOREIGN] == {"0,luca,u": 0}


def test_the_members_of_another_run_are_strangers_too() -> None:
    found = values(families(cards((os.getpid(), GIB)), [run("luca", [member()]), run("mia")]))
    assert found[FOREIGN] == {"0,luca,u": 0, "0,mia,u": 1}


def test_a_driver_that_does_not_tell_the_memory_leaves_the_strangers_countable() -> None:
    found = values(families(cards((os.getpid(), None), (STRANGER, None)), [run(members=[member()])]))
    assert found == {FOREIGN: {"0,luca,u": 1}}


def test_a_driver_that_does_not_tell_pids_says_nothing_about_strangers() -> None:
    reading = GpusReading(gpus=(Gpu(index=0, uuid="u", up=True, processes=None),))
    assert values(families(reading, [run()], by_pid=True)) == {}


def test_a_pid_that_was_given_anew_is_a_strangers() -> None:
    found = values(families(cards((os.getpid(), GIB)), [run(members=[member(start_time=1)])]))
    assert found == {MEMORY: {"0,,u": GIB}, FOREIGN: {"0,luca,u": 1}}


def test_pids_of_another_namespace_mean_nothing_here_and_nobody_is_called_a_stranger() -> None:
    elsewhere = run("mia", [member()], namespace=1)
    assert values(families(cards((os.getpid(), GIB)), [elsewhere])) == {}
    assert values(families(cards((STRANGER, GIB)), [run("luca"), elsewhere])) == {FOREIGN: {"0,luca,u": 1}}


def test_a_tree_of_another_machine_tells_nobodys_pid(tmp_path: Path) -> None:
    assert values(families(cards((os.getpid(), GIB)), [run(members=[member()])], proc=tmp_path)) == {}


def test_a_run_that_is_over_has_no_strangers(tmp_path: Path) -> None:
    assert values(families(cards((STRANGER, GIB)), [run(up=False)])) == {MEMORY: {"0,,u": GIB}}


@pytest.mark.parametrize("by_pid", [False, True])
def test_pids_are_told_only_where_they_are_asked_for(by_pid: bool) -> None:
    reading = cards((os.getpid(), GIB), (STRANGER, None))
    found = values(families(reading, [run(members=[member()])], by_pid=by_pid))
    assert found.get(PIDS) == ({f"0,{os.getpid()},luca,u": GIB} if by_pid else None)
