"""The end of the training's process wakes the loop, whoever reaps it."""

import selectors
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from trainwarden.runs import identity
from trainwarden.supervise.bell import Bell

Child = subprocess.Popen[bytes]


@pytest.fixture
def child() -> Iterator[Child]:
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def rung(selector: selectors.BaseSelector, seconds: float) -> bool:
    found = selector.select(seconds)
    for ready, _ in found:
        ready.data()
    return bool(found)


def test_it_rings_once_when_the_process_ends(child: Child) -> None:
    with selectors.DefaultSelector() as selector:
        bell = Bell(selector)
        assert bell.set(identity.identify(child.pid)) and bell.set(identity.identify(child.pid))
        assert not rung(selector, 0.0)
        child.kill()
        assert rung(selector, 10.0) and not rung(selector, 0.0)


def test_it_is_not_set_for_the_dead_nor_for_who_took_over_the_pid(child: Child) -> None:
    with selectors.DefaultSelector() as selector:
        bell, training = Bell(selector), identity.identify(child.pid)
        assert training is not None
        assert not bell.set(structs.replace(training, start_time=training.start_time - 1))
        assert bell.set(training)
        child.kill()
        child.wait()
        assert rung(selector, 10.0)
        assert not bell.set(training) and not bell.set(None)


def test_without_pidfds_it_is_not_set(child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.pidfd_open")
    with selectors.DefaultSelector() as selector:
        assert not Bell(selector).set(identity.identify(child.pid))


def test_its_handle_is_closed_with_each_training(child: Child) -> None:
    with selectors.DefaultSelector() as selector:
        bell, training = Bell(selector), identity.identify(child.pid)
        before = len([*Path("/proc/self/fd").iterdir()])
        for _ in range(5):
            bell.set(training)
            bell.set(None)
        assert len([*Path("/proc/self/fd").iterdir()]) == before
