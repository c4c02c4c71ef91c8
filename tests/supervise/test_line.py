"""The line between keeper and supervisor: only its true end counts, and the keeper's death only when it is one."""

import selectors
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainwarden.model import RunSpec
from trainwarden.runs import identity
from trainwarden.runs.attendance import KEEPER_LOCK
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise.detach import lock
from trainwarden.supervise.kept import Kept
from trainwarden.supervise.line import KeeperLine
from trainwarden.supervise.respawn import SupervisorChild
from trainwarden.supervise.supervisor import Supervisor


class Line:
    """A line whose next reading fails, or ends."""

    def __init__(self, said: OSError | bytes) -> None:
        self.said = said
        self.closed = False

    def recv(self, size: int) -> bytes:
        if isinstance(self.said, OSError):
            raise self.said
        return self.said

    def fileno(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("said", "closed"),
    [
        pytest.param(b"", True, id="end of file"),
        pytest.param(ConnectionResetError(), True, id="reset"),
        pytest.param(BlockingIOError(), False, id="nothing to read after all"),
        pytest.param(OSError(12, "out of memory"), False, id="the kernel is short of memory"),
    ],
)
def test_keeper_hangs_up_only_at_the_end_of_the_line(tmp_path: Path, said: OSError | bytes, closed: bool) -> None:
    with selectors.SelectSelector() as selector:
        child = SupervisorChild(tmp_path, selector, lambda _: None)
        line = Line(said)
        selector.register(line, selectors.EVENT_READ)
        child._line = line  # type: ignore[assignment]
        child._hear()
        assert line.closed is closed


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    return folder


@pytest.fixture
def lines() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, keepers = socket.socketpair()
    with ours, keepers:
        yield ours, keepers


def supervisor(folder: RunFolder, line: socket.socket) -> Supervisor:
    """Of a run whose keeper and training are this very process, which is nobody's member."""
    spec = RunSpec(name="luca", run_id="line", command=["/bin/true"], cwd="/", recipe="none")
    me = identity.myself()
    selector = selectors.DefaultSelector()
    to_keeper = KeeperLine(folder, line, selector)
    found = Kept(me, 1, me, ["/bin/true"], time.time(), None, None)
    return Supervisor(folder, spec, found, to_keeper, selector)


def test_end_of_the_line_is_no_keepers_death_while_the_keeper_lives(
    folder: RunFolder, lines: tuple[socket.socket, socket.socket]
) -> None:
    with lock(folder.path / KEEPER_LOCK):
        watching = supervisor(folder, lines[0])
        lines[1].close()
        for _ in range(3):
            watching._turn()
        assert watching._watch.keeper_lives and watching._watch.ended is None
    watching._turn()
    assert not watching._watch.keeper_lives


def test_readable_line_that_has_not_ended_is_no_keepers_death(
    folder: RunFolder, lines: tuple[socket.socket, socket.socket]
) -> None:
    watching = supervisor(folder, lines[0])
    lines[1].sendall(b"stray")
    watching._turn()
    assert watching._watch.keeper_lives
