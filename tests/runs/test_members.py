"""Who belongs to a run: tables of processes that no test could start, and real ones."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.wait import wait_until
from trainwarden.model import Identity
from trainwarden.names import RUN_ID_ENVIRONMENT
from trainwarden.runs.members import Census, belonging
from trainwarden.system import ProcessStat

KEEPER, SUPERVISOR, ROOT = 10, 11, 20


def table(*rows: tuple[int, int, int]) -> dict[int, ProcessStat]:
    """Pid, parent, session."""
    return {pid: ProcessStat(pid, "S", parent, session, 0.0, 1, pid * 100, 0) for pid, parent, session in rows}


def root(start_time: int = ROOT * 100) -> Identity:
    return Identity("boot", ROOT, start_time, 1)


def test_tag_session_and_descent_each_make_a_member() -> None:
    stats = table((1, 0, 1), (ROOT, KEEPER, ROOT), (21, 1, 21), (22, 1, ROOT), (23, 22, 23), (30, 1, 30))
    assert belonging(stats, {21: "r"}, run_id="r", root=root()) == {20, 21, 22, 23}


def test_orphan_that_the_keeper_adopted_is_a_member_and_the_supervisor_never() -> None:
    stats = table((KEEPER, 1, KEEPER), (SUPERVISOR, KEEPER, KEEPER), (12, SUPERVISOR, KEEPER), (40, KEEPER, 40))
    apart = {KEEPER, SUPERVISOR}
    assert belonging(stats, {}, run_id="r", keeper_pid=KEEPER, apart=apart) == {40}


def test_what_belongs_to_another_run_or_to_none_is_left_out_with_its_descendants() -> None:
    stats = table((ROOT, KEEPER, ROOT), (21, ROOT, ROOT), (22, 21, 22), (23, ROOT, ROOT), (24, 23, 24))
    assert belonging(stats, {ROOT: "r", 21: "", 22: "other", 23: "other"}, run_id="r", root=root()) == {ROOT}


def test_session_number_that_was_given_away_is_a_strangers() -> None:
    stats = table((ROOT, 1, ROOT), (50, ROOT, ROOT))
    assert belonging(stats, {}, run_id="r", root=root(start_time=7)) == set()


def test_known_member_stays_one_though_it_shed_everything() -> None:
    stats = table((60, 1, 60), (61, 60, 60))
    assert belonging(stats, {}, run_id="r", known={(60, 6000)}) == {60, 61}
    assert belonging(stats, {}, run_id="r", known={(60, 1)}) == set()


@contextmanager
def process(script: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "up\n"
        yield child
    finally:
        child.kill()
        child.wait()


WAITING = "import time; print('up', flush=True); time.sleep(600)"


def test_census_finds_the_tagged_and_forgets_the_dead() -> None:
    census = Census("census-test")
    with process(WAITING, **{RUN_ID_ENVIRONMENT: "census-test", "CUDA_VISIBLE_DEVICES": "1"}) as child:
        (found,) = census.scan()
        assert found.pid == child.pid and census.gpus() == ["1"]
        assert [stat.pid for stat in census.update()] == [child.pid]
    assert census.update() == [] and census.scan() == [] and census.gpus() is None


@pytest.mark.parametrize(
    ("environment", "by_bus"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, False),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, False),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a,1"}, False),
        ({"CUDA_VISIBLE_DEVICES": ""}, True),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, True),
    ],
)
def test_numbers_are_the_drivers_only_beside_the_order_by_bus(environment: dict[str, str], by_bus: bool) -> None:
    census = Census("census-test")
    with process(WAITING, **{RUN_ID_ENVIRONMENT: "census-test"}, **environment):
        census.scan()
        assert census.gpus_by_bus() is by_bus


def test_one_member_that_counts_otherwise_leaves_the_numbers_in_doubt() -> None:
    census = Census("census-test")
    ours = {RUN_ID_ENVIRONMENT: "census-test", "CUDA_VISIBLE_DEVICES": "0"}
    with process(WAITING, **ours, CUDA_DEVICE_ORDER="PCI_BUS_ID"), process(WAITING, **ours):
        assert len(census.scan()) == 2
        assert (census.gpus(), census.gpus_by_bus()) == (["0"], False)


def test_environment_of_a_young_process_is_read_again() -> None:
    # Between fork and exec a process shows its parent's environment, which may carry no tag yet.
    census = Census("census-test")
    script = "import os,sys,time; print('up', flush=True); time.sleep(0.2)\n"
    environment = {RUN_ID_ENVIRONMENT: "census-test"}
    become = f"os.execve(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)'], {environment})"
    with process(script + become) as child:
        assert census.scan() == []
        wait_until(lambda: [stat.pid for stat in census.scan()] == [child.pid], 5, "the member after its exec")
