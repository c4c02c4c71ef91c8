"""Which control group is a launch's own: real groups, real processes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.cgroups import join, slice_of_ours, start_in
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.launchers.command import CommandEngine
from trainwarden.launching import CommandOptions
from trainwarden.names import RUN_ID_ENVIRONMENT
from trainwarden.runs import cgroups
from trainwarden.runs.cgroups import Cgroup
from trainwarden.runs.members import Census

Sleeper = Callable[[Path], int]
SHEDS = """
import os, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)", sys.argv[1]], {})
"""


@pytest.fixture(params=["", "name=systemd"], ids=["v2", "v1"])
def hierarchy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def top(hierarchy: str) -> Iterator[Path]:
    with slice_of_ours(hierarchy) as top:
        yield top


@pytest.fixture
def sleeper(top: Path) -> Iterator[Sleeper]:
    """Starts a process in a group, which is made."""
    started: list[subprocess.Popen[bytes]] = []

    def start(group: Path) -> int:
        started.append(start_in(group, "sleep", "600"))
        return started[-1].pid

    yield start
    for child in started:
        child.kill()
        child.wait()


def path_of(group: Path, top: Path) -> str:
    return f"/{group.relative_to(top.parent)}"


NAMES = CommandEngine(CommandOptions(start=["s"], probe=["p"], stop=["s"])).cgroup_names("luca id 1")


def test_the_unit_of_this_generation_is_its_own_and_so_is_what_is_below(
    top: Path, hierarchy: str, sleeper: Sleeper
) -> None:
    unit = top / "trainwarden-luca-1.service"
    root, below = sleeper(unit), sleeper(unit / "workers")
    found = cgroups.named(root, NAMES)
    assert found == cgroups.named(below, NAMES) == Cgroup(hierarchy, path_of(unit, top))
    assert cgroups.holds(found, root) and cgroups.holds(found, below) and not cgroups.holds(found, os.getpid())
    beside = sleeper(top / "trainwarden-luca-10.service")
    assert not cgroups.holds(Cgroup(hierarchy, path_of(top / "trainwarden-luca-1", top)), beside)


@pytest.mark.parametrize(
    "name",
    ["session-3.scope", "user@1000.service", "init.scope", "user.slice", "jobs.service", "trainwarden-luca-2.service"],
)
def test_a_group_that_does_not_bear_the_launchs_name_is_never_used(top: Path, sleeper: Sleeper, name: str) -> None:
    assert cgroups.named(sleeper(top / name), NAMES) is None


def test_that_of_trainwarden_itself_is_not(top: Path, hierarchy: str, sleeper: Sleeper) -> None:
    unit = top / "trainwarden-luca-1.service"
    root = sleeper(unit)
    before = system.read_cgroups(os.getpid())[hierarchy]
    join(unit, os.getpid())
    try:
        assert cgroups.named(root, NAMES) is None
    finally:
        join(top.parent / before.lstrip("/"), os.getpid())
    assert cgroups.named(root, NAMES) is not None


def test_once_no_member_lives_in_it_whoever_is_there_now_is_a_stranger(
    top: Path, hierarchy: str, sleeper: Sleeper
) -> None:
    unit = top / "trainwarden-luca-1.service"
    sleeper(unit)
    census = Census("r")
    census.own(Cgroup(hierarchy, path_of(unit, top)), apart=())
    assert members(census) == set()


def test_one_that_the_engine_named_is_known_by_its_name_from_below(top: Path, hierarchy: str, sleeper: Sleeper) -> None:
    container = top / "docker" / f"docker-{'c' * 64}.scope"
    root, _ = sleeper(container / "init"), sleeper(container)
    assert cgroups.named(root, {"c" * 64, container.name}) == Cgroup(hierarchy, path_of(container, top))
    assert cgroups.named(root, {"d" * 64}) is None


def test_who_shed_session_parent_and_environment_is_found_by_its_group_and_no_neighbour_is(
    top: Path, hierarchy: str, sleeper: Sleeper, tmp_path: Path
) -> None:
    unit = top / "luca.service"
    root, neighbour, wrapper = sleeper(unit), sleeper(top / "other.service"), sleeper(unit)
    start_in(unit, sys.executable, "-c", SHEDS, str(tmp_path)).wait(10)
    wait_until(lambda: shed(tmp_path), 10, "it has shed everything")
    begun = system.read_stat(root)
    assert begun is not None
    census = Census("r", known={(root, begun.start_time)})
    assert members(census) == {root}
    census.own(Cgroup(hierarchy, path_of(unit, top)), apart={wrapper})
    found = members(census)
    assert found == {root, shed(tmp_path)}
    assert neighbour not in found


def test_where_another_run_lives_in_it_too_it_makes_nobody_a_member(
    top: Path, hierarchy: str, sleeper: Sleeper
) -> None:
    unit = top / "luca.service"
    root, _ = sleeper(unit), sleeper(unit)
    other = start_in(unit, "sleep", "600", environment={**os.environ, RUN_ID_ENVIRONMENT: "another"})
    begun = system.read_stat(root)
    assert begun is not None
    census = Census("r", known={(root, begun.start_time)})
    census.own(Cgroup(hierarchy, path_of(unit, top)), apart=())
    wait_until(lambda: system.read_environment(other.pid).get(RUN_ID_ENVIRONMENT) == "another", 5, "it has begun")
    assert members(census) == {root}
    other.kill()
    other.wait()


def members(census: Census) -> set[int]:
    return {stat.pid for stat in census.scan()}


def shed(marker: Path) -> int:
    """The pid of the process that shed everything; 0 until it has."""
    for pid in system.all_pids():
        try:
            line = (system.PROC / str(pid) / "cmdline").read_bytes()
        except OSError:
            continue
        if b"time.sleep(600)" in line and str(marker).encode() in line and b"fork" not in line:
            return pid
    return 0
