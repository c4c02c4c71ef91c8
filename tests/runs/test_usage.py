"""Counters over processes that come and go: tables of what no test could time, and real processes."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden.names import RUN_ID_ENVIRONMENT
from trainwarden.runs.members import Census
from trainwarden.runs.usage import Meter, Tally, Usage
from trainwarden.system import ProcessStat, read_io

P, C, G = (10, 1), (20, 2), (30, 3)
PARENTS = {P: 1, C: 10, G: 20}
"""A parent, its child, and the child's child."""


def add(tally: Tally, **counts: float) -> float:
    keys = {"p": P, "c": C, "g": G}
    tally.add({keys[name]: count for name, count in counts.items()}, {keys[n]: PARENTS[keys[n]] for n in counts})
    return tally.total


def test_growth_of_each_is_added_whatever_becomes_of_the_others() -> None:
    tally = Tally(0)
    assert add(tally, p=1, c=100) == 101
    assert add(tally, p=2) == 101, "the child is gone: its second may be in the parent's, which was read before"
    assert add(tally, p=3) == 101
    assert add(tally, p=4) == 102, "a parent that never waits for its children is not taken for dead"


def test_what_a_child_had_counted_does_not_count_again_when_its_parent_has_waited_for_it() -> None:
    tally = Tally(0)
    add(tally, p=1, c=100)
    assert add(tally, p=1 + 103) == 104, "only what the child did after it was last seen"
    assert add(tally, p=110) == 110


def test_a_parent_that_was_read_just_before_it_waited_shows_the_child_at_the_next_look() -> None:
    tally = Tally(0)
    add(tally, p=1, c=100)
    assert add(tally, p=1) == 101
    assert add(tally, p=102) == 102


def test_what_nobody_ever_saw_counts_once_its_parent_has_waited_for_it() -> None:
    tally = Tally(0)
    add(tally, p=1)
    assert add(tally, p=51) == 51


def test_of_two_that_went_at_once_the_nearest_forebear_that_is_left_holds_both() -> None:
    tally = Tally(0)
    add(tally, p=1, c=10, g=100)
    assert add(tally, p=1 + 11 + 100) == 112


def test_an_orphan_takes_nothing_with_it() -> None:
    tally = Tally(0)
    add(tally, p=1, g=100)  # whose parent is no member
    assert add(tally, p=2) == 102


def test_who_comes_counts_whole() -> None:
    tally = Tally(0)
    add(tally, p=1)
    assert add(tally, p=1, c=5) == 6


def test_the_same_pid_later_is_another_process() -> None:
    tally = Tally(0)
    tally.add({(10, 1): 50}, {(10, 1): 1})
    tally.add({(10, 9): 3}, {(10, 9): 1})
    assert tally.total == 53


@pytest.mark.parametrize(("before", "total"), [(0, 11), (8, 11), (500, 500)])
def test_who_takes_over_neither_goes_back_nor_counts_twice(before: float, total: float) -> None:
    tally = Tally(before)
    assert add(tally, p=1, c=10) == total
    assert add(tally, p=2, c=10) == total + 1


def test_a_count_that_went_back_is_no_growth() -> None:
    tally = Tally(0)
    add(tally, p=10)
    assert add(tally, p=9) == 10


def test_the_dead_are_counted_until_somebody_waits_and_use_nothing(tmp_path: Path) -> None:
    for pid, counts in ((1, "rchar: 5\nwchar: 6\nsyscr: 1\nread_bytes: 100\nwrite_bytes: 0\n"), (2, None)):
        (tmp_path / str(pid)).mkdir()
        if counts:
            (tmp_path / str(pid) / "io").write_text(counts)
    alive = ProcessStat(1, "R", 0, 1, 2.0, 3, 1, 1000, reaped_cpu_seconds=3.0)
    dead = ProcessStat(2, "Z", 0, 1, 0.5, 1, 1, 7)
    meter = Meter(proc=tmp_path)
    meter.read([alive, dead])
    assert meter.usage == Usage(rss_bytes=1000, threads=3, cpu_seconds=5.5, io_bytes=111)


def test_a_file_of_somebody_else_is_not_read_as_0(tmp_path: Path) -> None:
    assert read_io(7, tmp_path) is None


@contextmanager
def run(script: str) -> Iterator[tuple[subprocess.Popen[str], Census]]:
    tag = f"usage-{time.monotonic_ns()}"
    command = [sys.executable, "-c", script]
    child = subprocess.Popen(command, env={RUN_ID_ENVIRONMENT: tag}, stdin=subprocess.PIPE, text=True)
    try:
        yield child, Census(tag)
    finally:
        child.kill()
        child.communicate()


def test_the_counter_goes_on_while_its_busiest_member_ends_and_a_small_one_works() -> None:
    """A worker burns a second of CPU and ends as an orphan; what is left burns little, and must be seen at once."""
    script = """
import os, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        burn(1.0)
        time.sleep(600)
    os._exit(0)
os.wait()
while sys.stdin.readline(): burn(0.1)
"""
    with run(script) as (child, census):
        meter = Meter()

        def cpu() -> float:
            meter.read(census.scan())
            return meter.usage.cpu_seconds

        wait_until(lambda: cpu() > 0.9, 30, "the orphan's CPU time")
        orphan = next(stat for stat in census.update() if stat.pid != child.pid)
        before = cpu()
        subprocess.run(["kill", "-9", str(orphan.pid)], check=True)
        wait_until(lambda: len(census.scan()) == 1, 20, "the orphan's end")
        assert cpu() >= before
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
        wait_until(lambda: cpu() > before + 0.05, 20, "the little that the other does")


def test_a_worker_that_its_parent_waits_for_counts_once() -> None:
    script = """
import os, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
for line in sys.stdin:
    if os.fork() == 0:
        burn(0.6)
        sys.stdin.readline()
        os._exit(0)
    os.wait()
"""
    with run(script) as (child, census):
        meter = Meter()

        def cpu() -> float:
            meter.read(census.scan())
            return meter.usage.cpu_seconds

        def say() -> None:
            assert child.stdin is not None
            child.stdin.write("go\n")
            child.stdin.flush()

        wait_until(lambda: len(census.scan()) == 1, 20, "the parent")
        say()
        wait_until(lambda: cpu() > 0.4, 30, "the worker's CPU time")
        before = cpu()
        say()
        wait_until(lambda: len(census.scan()) == 1, 20, "the worker's end")
        after = [cpu(), cpu(), cpu()]
        assert before <= after[0] <= after[-1] < before + 0.4


def test_what_is_read_by_mapping_a_file_is_seen(tmp_path: Path) -> None:
    """No call reads anything: only the storage's count grows."""
    big = tmp_path / "big"
    big.write_bytes(b"x" * (8 << 20))
    script = f"""
import mmap, os, sys
file = os.open({str(big)!r}, os.O_RDONLY)
os.fsync(file)
for line in sys.stdin:
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    with mmap.mmap(file, 0, prot=mmap.PROT_READ) as pages:
        sum(pages[i] for i in range(0, len(pages), 4096))
"""
    with run(script) as (child, census):
        meter = Meter()
        wait_until(lambda: len(census.scan()) == 1, 20, "the reader")
        meter.read(census.scan())
        before = meter.usage.io_bytes
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()

        def moved() -> bool:
            meter.read(census.update())
            return meter.usage.io_bytes - before > 1 << 20

        try:
            wait_until(moved, 5, "the pages of the file")
        except AssertionError:
            if not _has_storage(tmp_path):
                pytest.skip("this folder is in memory: its pages come from no storage")
            raise


def _has_storage(folder: Path) -> bool:
    found = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=True).stdout
    return found.strip() not in ("tmpfs", "ramfs")
