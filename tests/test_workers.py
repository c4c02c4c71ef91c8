"""Threads that stand by: used again, replaced where they hang, and few."""

import threading

from tests.support.wait import wait_until
from trainwarden import workers


def _idents(count: int) -> list[int]:
    """Who did ``count`` pieces of work, one after the other."""
    found = []
    for _ in range(count):
        done = threading.Event()
        workers.begin(lambda done=done: (found.append(threading.get_ident()), done.set()))
        assert done.wait(20)
        wait_until(lambda: workers._idle, 20, "the worker stands by")
    return found


def test_work_after_work_is_done_by_one_thread() -> None:
    assert len(set(_idents(20))) == 1


def test_one_that_hangs_is_replaced_and_stands_by_again_afterwards() -> None:
    release, hangs = threading.Event(), threading.Event()
    workers.begin(lambda: (hangs.set(), release.wait(20)))
    assert hangs.wait(20)
    assert len(_idents(3)) == 3
    release.set()


def test_after_a_burst_few_stand_by() -> None:
    release = threading.Event()
    for _ in range(30):
        workers.begin(lambda: release.wait(20))
    busy = threading.active_count()
    release.set()
    wait_until(lambda: threading.active_count() <= busy - 30 + workers.STANDING, 20, "the others to end")
    assert len(workers._idle) <= workers.STANDING
