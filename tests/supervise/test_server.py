"""The control socket's edge: hostile, slow and many clients get a refusal or nothing, and nobody waits for them."""

import json
import selectors
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from trainwarden.errors import RefusedError
from trainwarden.model import RunState
from trainwarden.runs import control
from trainwarden.runs.control import MAX_MESSAGE, Probe, Reply, Request, Start, Stop
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import server
from trainwarden.supervise.server import ControlServer

STATE = RunState(run_id="r", generation=1, open=True, beat_at=1, beat_monotonic=1, started_at=1)


class Served:
    """A server in its loop, and what reached it."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.carried_out: list[Request] = []
        self._selector = selectors.DefaultSelector()
        self.server = ControlServer(folder, self._selector, self._carry_out, time.monotonic)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop)
        self._thread.start()

    def _carry_out(self, request: Request) -> Reply:
        self.carried_out.append(request)
        if isinstance(request, Start):
            raise RefusedError("not now")
        return Reply(ok=True, state=STATE)

    def _loop(self) -> None:
        while not self._stop.is_set():
            for ready, _ in self._selector.select(0.02):
                ready.data()
            self.server.expire(time.monotonic())

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.server.finish()

    def connect(self) -> socket.socket:
        with control.address(self.folder) as where:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(5)
            connection.connect(where)
        return connection

    def say(self, data: bytes) -> dict[str, object]:
        with self.connect() as connection:
            connection.sendall(data)
            answer: dict[str, object] = json.loads(connection.makefile("rb").readline())
            return answer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    found = Served(folder)
    yield found
    found.close()


def test_verbs_reach_the_supervisor(served: Served) -> None:
    assert control.ask(served.folder, Probe(by="receiver")) == STATE
    assert control.ask(served.folder, Stop(by="user", final=True, reason="r")) == STATE
    assert served.carried_out == [Probe(by="receiver"), Stop(by="user", final=True, reason="r")]


def test_refusal_comes_back_as_its_sentence(served: Served) -> None:
    with pytest.raises(RefusedError, match=r"^not now$"):
        control.ask(served.folder, Start(checkpoint="/c", generation=2))


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"{}\n",
        b'{"verb":"shell","command":"rm -rf /"}\n',
        b'{"verb":"start","checkpoint":"/c","generation":"2"}\n',
        b'{"verb":"stop","signal":9}\n',
        b'{"verb":"probe"' + b" " * 100 + b"\xff\xfe}\n",
        b"[" * 5000 + b"\n",
        b'{"alerts":' * 5000 + b"\n",
        b'{"verb":"stop","reason":"\xff\xfe"}\n',
        b"\x00\x01\x02\n",
    ],
)
def test_anything_but_a_verb_is_refused_and_nothing_done(served: Served, line: bytes) -> None:
    answer = served.say(line)
    assert answer["ok"] is False and answer["state"] is None
    assert "not a verb of this socket" in str(answer["error"])
    assert served.carried_out == []


def test_line_without_an_end_is_refused_at_the_limit(served: Served) -> None:
    answer = served.say(b'{"verb":"probe"' + b" " * (MAX_MESSAGE + 1))
    assert f"at most {MAX_MESSAGE} bytes" in str(answer["error"])
    assert served.carried_out == []


def test_request_in_single_bytes_is_still_one_request(served: Served) -> None:
    with served.connect() as connection:
        for byte in msgspec.json.encode(Probe()) + b"\n":
            connection.send(bytes([byte]))
        assert json.loads(connection.makefile("rb").readline())["ok"] is True
    assert served.carried_out == [Probe()]


def test_second_request_of_a_connection_is_not_heard(served: Served) -> None:
    line = msgspec.json.encode(Probe()) + b"\n"
    assert served.say(line + line)["ok"] is True
    assert served.carried_out == [Probe()]


def test_silent_client_holds_nobody_up_and_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE_SECONDS", 0.3)
    with served.connect() as silent:
        silent.sendall(b'{"verb":')
        assert control.ask(served.folder, Probe()) == STATE
        assert silent.recv(1) == b"", "hung up on"


def test_more_clients_than_places_cost_the_oldest(served: Served) -> None:
    silent = [served.connect() for _ in range(server.MAX_CONNECTIONS + 5)]
    try:
        assert control.ask(served.folder, Probe()) == STATE
        assert silent[0].recv(1) == b""
    finally:
        for connection in silent:
            connection.close()


def test_client_that_leaves_before_the_answer_is_forgotten(served: Served) -> None:
    for _ in range(50):
        with served.connect() as connection:
            connection.sendall(msgspec.json.encode(Probe()) + b"\n")
    assert control.ask(served.folder, Probe()) == STATE


def test_socket_is_the_owners_only(served: Served) -> None:
    assert stat.S_IMODE(served.folder.socket_path.stat().st_mode) == 0o600


def test_socket_that_a_dead_supervisor_left_is_replaced(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    folder.create()
    folder.socket_path.write_bytes(b"")
    found = Served(folder)
    try:
        assert control.ask(folder, Probe()) == STATE
    finally:
        found.close()
    assert not folder.socket_path.exists()
