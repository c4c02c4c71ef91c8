"""One process for ever: a pid that was given away is another."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from msgspec import structs

from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.runs import identity


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield started
    started.kill()
    started.wait()


def test_process_lives_until_it_has_ended(child: subprocess.Popen[bytes]) -> None:
    found = identity.identify(child.pid)
    assert found is not None and identity.lives(found) is True
    child.kill()
    child.wait()
    assert identity.lives(found) is False
    assert identity.identify(child.pid) is None


def test_zombie_is_dead(child: subprocess.Popen[bytes]) -> None:
    found = identity.identify(child.pid)
    assert found is not None
    child.kill()
    wait_until(lambda: (stat := system.read_stat(child.pid)) and stat.state == "Z", 5, "a zombie")
    assert identity.lives(found) is False
    assert identity.send(found.pid, found.start_time, signal.SIGTERM) is False


def test_same_pid_with_another_start_is_another_process(child: subprocess.Popen[bytes]) -> None:
    found = identity.identify(child.pid)
    assert found is not None
    assert identity.lives(structs.replace(found, start_time=found.start_time - 1)) is False
    assert identity.send(child.pid, found.start_time - 1, signal.SIGKILL) is False
    assert child.poll() is None


def test_another_boot_is_dead_and_another_namespace_cannot_be_told() -> None:
    mine = identity.myself()
    assert mine.pid == os.getpid() and identity.lives(mine) is True
    assert identity.lives(structs.replace(mine, boot_id="another")) is False
    assert identity.lives(structs.replace(mine, pid_namespace=1)) is None


def test_signal_reaches_exactly_this_process(child: subprocess.Popen[bytes]) -> None:
    found = identity.identify(child.pid)
    assert found is not None
    assert identity.send(found.pid, found.start_time, signal.SIGTERM) is True
    assert child.wait(5) == -signal.SIGTERM
    assert identity.send(found.pid, found.start_time, signal.SIGTERM) is False


def test_signal_reaches_the_process_where_python_has_no_pidfd(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    found = identity.identify(child.pid)
    assert found is not None
    assert identity.send(found.pid, found.start_time + 1, signal.SIGTERM) is False
    assert identity.send(found.pid, found.start_time, signal.SIGTERM) is True
    assert child.wait(5) == -signal.SIGTERM
    assert identity.send(found.pid, found.start_time, signal.SIGTERM) is False
