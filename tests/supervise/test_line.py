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
from trainwarden.supervise import generation
from trainwarden.supervise.arrivals import Arrivals, Telling
from trainwarden.supervise.detach import lock
from trainwarden.supervise.kept import Kept
from trainwarden.supervise.line import KeeperLine
from trainwarden.supervise.respawn import SupervisorChild
from trainwarden.supervise.supervisor import BEAT_SECONDS, LOOK_SECONDS, Supervisor, moment


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
        child = SupervisorChild(tmp_path, selector, lambda _: None, -1)
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


def supervisor(folder: RunFolder, line: socket.socket, arrivals: Arrivals | None = None) -> Supervisor:
    """Of a run whose keeper and training are this very process, which is nobody's member."""
    spec = RunSpec(name="luca", run_id="line", command=["/bin/true"], cwd="/", recipe="none")
    me = identity.myself()
    selector = selectors.DefaultSelector()
    to_keeper = KeeperLine(folder, line, selector, arrivals)
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


@pytest.fixture
def calm(folder: RunFolder, lines: tuple[socket.socket, socket.socket]) -> Supervisor:
    """A supervisor that has looked once at a training that only trains."""
    watching = supervisor(folder, lines[0], Arrivals(Telling().reader))
    watching._selector.select = lambda timeout: []  # type: ignore[assignment, method-assign, misc]
    folder.output_path(1).write_bytes(b"steps\n")
    watching._turn()
    return watching


def test_a_calm_run_is_left_alone_until_the_next_beat(calm: Supervisor) -> None:
    assert LOOK_SECONDS < calm._rest() <= BEAT_SECONDS
    calm._beat_due -= BEAT_SECONDS
    assert calm._rest() == 0.0


def test_a_run_is_not_left_alone_while_output_is_unread(
    calm: Supervisor, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "_CHUNK", 4)
    folder.output_path(1).write_bytes(b"faster than it can be read\n" * 100_000)
    calm._turn()
    assert calm._rest() == LOOK_SECONDS


def test_a_run_is_not_left_alone_while_it_is_stopped(calm: Supervisor) -> None:
    calm._watch.stop(by="user", final=True, now=moment())
    assert calm._rest() == LOOK_SECONDS


def test_a_run_is_not_left_alone_once_its_keeper_has_hung_up(
    calm: Supervisor, folder: RunFolder, lines: tuple[socket.socket, socket.socket]
) -> None:
    lines[1].close()
    with lock(folder.path / KEEPER_LOCK):
        calm._line._readable()  # type: ignore[attr-defined]
        calm._turn()
        assert calm._watch.keeper_lives and calm._rest() == LOOK_SECONDS


def test_a_run_is_not_left_alone_where_nobody_tells_what_came_when(
    folder: RunFolder, lines: tuple[socket.socket, socket.socket]
) -> None:
    """A keeper of an earlier version tells of nothing."""
    watching = supervisor(folder, lines[0])
    watching._turn()
    assert watching._watch.calm and watching._rest() == LOOK_SECONDS


def test_a_run_is_not_left_alone_whose_end_wakes_nobody(calm: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calm._bell, "set", lambda training: False)
    assert calm._rest() == LOOK_SECONDS
