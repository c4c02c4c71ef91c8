"""The few threads that answer: few in a storm of connections, more where all are held up, and few again."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.wait import wait_until
from tests.web.serving import Served, serving
from trainwarden.series import Series
from trainwarden.web import crew

HUNG = 6


class Disk:
    """What a reading waits for."""

    def __init__(self) -> None:
        self.answers = threading.Event()

    def collect(self, _: float | None) -> list[Series]:
        self.answers.wait(20)
        return []


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.answers.set()


def _threads() -> int:
    return sum(thread.name == "answering" for thread in threading.enumerate())


def _hang(served: Served, stack: ExitStack) -> None:
    for _ in range(HUNG):
        stack.enter_context(served.connect()).sendall(b"GET /metrics HTTP/1.1\r\n\r\n")


def test_fifty_connections_need_no_more_threads_than_one() -> None:
    wait_until(lambda: _threads() == 0, 10, "those of other tests have ended")
    with serving() as served, ExitStack() as stack:
        connections = [stack.enter_context(served.connect()) for _ in range(50)]
        for connection in connections:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\n\r\n")
        for connection in connections:
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        assert _threads() <= crew.FEW + 1, "one more where the machine was busy for so long"


def test_answers_that_hang_hold_nobody_up(disk: Disk) -> None:
    with serving(disk.collect) as served, ExitStack() as stack:
        _hang(served, stack)
        for _ in range(3):
            assert served.get("/-/healthy").status == 200


def test_threads_that_were_only_needed_while_others_hung_end(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_until(lambda: _threads() == 0, 10, "those of other tests have ended")
    monkeypatch.setattr(crew, "REST_SECONDS", 0.2)
    with serving(disk.collect) as served, ExitStack() as stack:
        _hang(served, stack)
        wait_until(lambda: _threads() > HUNG, 10, "all wait, and one is free")
        disk.answers.set()
        wait_until(lambda: _threads() == crew.FEW, 10, "the few are left")
        assert served.get("/-/healthy").status == 200
    wait_until(lambda: _threads() == 0, 10, "with the server they end")
