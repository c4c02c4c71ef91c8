"""The webhook over real HTTP: what it takes in, and every bad input with its status and sentence."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.restart.world import World, ledger
from tests.support.wait import wait_until
from trainwarden.config import Config, ReceiverConfig
from trainwarden.restart.ledger import Ledger, LedgerError
from trainwarden.restart.worker import Worker
from trainwarden.web import conversation
from trainwarden.web import server as serving
from trainwarden.web.server import Server
from trainwarden.web.webhook import make_server

TOKEN = "a-long-random-token"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def server(world: World, tmp_path: Path) -> Iterator[Server]:
    """A server whose worker has not begun: what is taken in stays as it was entered."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    config = Config(receiver=ReceiverConfig(token_file=str(token)))
    worker = Worker(config, world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    with make_server(config, worker, ["127.0.0.1:0"]) as server:
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        server.stop()


def url(server: Server, path: str = "") -> str:
    return server.urls[0] + path


def connect(server: Server) -> socket.socket:
    host, _, port = url(server).removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def alert(name: str = "TrainwardenRunHung", status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "run": "luca", "generation": "1", "instance": "m", **labels},
        "annotations": {"summary": "text"},
        "startsAt": "2026-09-21T00:00:00Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus",
        "fingerprint": "0123456789abcdef",
    }


def payload(*alerts: dict[str, Any], status: str = "firing") -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": "{}:{run=luca}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "restart",
        "notification_reason": "a field of a later Alertmanager",
        "alerts": list(alerts),
    }


def post(server: Server, content: Any, token: str | None = TOKEN, path: str = "/alerts") -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return requests.post(url(server, path), data=data, headers=headers, timeout=10)


def count(server: Server, outcome: str) -> float:
    text = requests.get(url(server, "/metrics"), timeout=10).text
    wanted = f'trainwarden_alerts_received_total{{outcome="{outcome}"}} '
    return next(float(line.removeprefix(wanted)) for line in text.splitlines() if line.startswith(wanted))


def test_a_restart_alert_is_on_the_disk_before_it_is_accepted(world: World, server: Server) -> None:
    answer = post(server, payload(alert()))
    assert (answer.status_code, len(ledger(world.desk()))) == (202, 1)
    assert count(server, "accepted") == 1


def test_a_hundred_duplicates_at_once_are_one_case(world: World, server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: post(server, payload(alert())).status_code, range(100)))
    assert sorted(codes) == [200] * 99 + [202]
    assert len(ledger(world.desk())) == 1
    assert count(server, "duplicate") == 99


def test_a_duplicate_of_what_is_still_being_written_waits_until_the_disk_has_it(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, writing, written = Ledger.append, threading.Event(), threading.Event()

    def slow(self: Ledger, event: Any) -> None:
        writing.set()
        assert written.wait(10)
        append(self, event)

    monkeypatch.setattr(Ledger, "append", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, server, payload(alert()))
        assert writing.wait(5)
        second = pool.submit(post, server, payload(alert()))
        assert post(server, payload(alert(run="nobody"))).status_code == 200, "others are answered meanwhile"
        assert ledger(world.desk()) == []
        assert (first.done(), second.done()) == (False, False), "neither is promised anything"
        written.set()
        assert [first.result().status_code, second.result().status_code] == [202, 200]


def test_each_alert_has_its_own_status(world: World, server: Server) -> None:
    post(server, payload(alert()))
    mixed = payload(alert(status="resolved"), alert("TrainwardenRunStalled"), status="firing")
    assert post(server, mixed).status_code == 200
    assert world.events(world.desk()) == ["Accepted", "Resolved"]


def test_a_message_that_says_of_one_alert_that_it_is_over_and_that_it_stands_leaves_its_case_open(
    world: World, server: Server
) -> None:
    assert post(server, payload(alert())).status_code == 202
    for _ in range(3):
        assert post(server, payload(alert(status="resolved"), alert())).status_code == 200
    assert world.events(world.desk()) == ["Accepted"]
    assert (count(server, "resolved"), count(server, "duplicate")) == (3, 3)
    post(server, payload(alert(status="resolved"), alert(generation="2")))
    assert world.events(world.desk()) == ["Accepted", "Resolved"], "of another generation it says nothing"


@pytest.mark.parametrize(
    ("content", "outcome"),
    [
        (alert(run="nobody"), "foreign"),
        (alert(run="../../etc"), "foreign"),
        (alert(run=""), "foreign"),
        (alert("TrainwardenMemoryHigh"), "ignored"),
        (alert("NodeDown"), "ignored"),
        (alert(generation=""), "malformed"),
        (alert(generation="one"), "malformed"),
        (alert(generation="-1"), "malformed"),
        (alert(generation="9" * 30), "malformed"),
        (alert(generation="7"), "stale"),
        (alert(status="resolved"), "resolved"),
    ],
)
def test_what_is_not_to_be_acted_on_is_200_and_counted(
    world: World, server: Server, content: dict[str, Any], outcome: str
) -> None:
    assert post(server, payload(content)).status_code == 200
    assert count(server, outcome) == 1
    assert world.events(world.desk()) == []


@pytest.mark.parametrize(
    "attack", ["$(reboot)", "`id`", "; rm -rf /", "%s%n{0.__class__}", "../../x", "a\nb", "\x1b[2J"]
)
def test_hostile_text_reaches_neither_log_nor_path(
    world: World, server: Server, attack: str, caplog: pytest.LogCaptureFixture
) -> None:
    hostile = alert(run=attack, extra=attack)
    hostile["annotations"] = {"summary": attack}
    hostile["fingerprint"] = attack * 100
    answers = [
        post(server, payload(hostile)),
        post(server, payload({**hostile, "labels": {**alert()["labels"], "x": attack}})),
    ]
    assert [answer.status_code for answer in answers] == [200, 202]
    assert attack not in caplog.text
    assert [path.name for path in world.root.iterdir()] == ["luca"]


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1], "ä"])
def test_a_missing_or_wrong_token_is_401(world: World, server: Server, token: str | None) -> None:
    sent = None if token is None else token.encode().decode("latin-1")
    answer = post(server, payload(alert()), token=sent)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert world.events(world.desk()) == []


def test_another_scheme_is_401(server: Server) -> None:
    assert requests.post(url(server, "/alerts"), auth=("user", TOKEN), timeout=5).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"version":"3","alerts":[]}',
        b'{"version":"4","alerts":{}}',
        b'{"version":"4","alerts":[{"status":"maybe","labels":{}}]}',
        b'{"version":"4","alerts":[{"status":"firing","labels":{"run":7}}]}',
        b'{"version":"4","alerts":[{"status":"firing"}]}',
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_malformed_payload_is_400_with_one_sentence(server: Server, body: bytes) -> None:
    answer = post(server, body)
    assert (answer.status_code, answer.text.count("\n")) == (400, 1)
    assert "Traceback" not in answer.text


def test_a_large_body_is_413_without_being_read(server: Server) -> None:
    assert post(server, b"x" * (1024 * 1024 + 1)).status_code == 413
    assert post(server, b"x" * 30_000_000).status_code == 413
    assert post(server, payload(alert())).status_code == 202


def raw(server: Server, request: bytes) -> bytes:
    """Send these bytes, and read until the server has nothing more to say."""
    with connect(server) as connection:
        connection.sendall(request)
        return connection.makefile("rb").read()


AUTHORISED = b"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-long-random-token\r\n"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (AUTHORISED + b"\r\n", 411),
        (AUTHORISED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (AUTHORISED + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 411),
        (AUTHORISED + b"Content-Length: -1\r\n\r\n", 400),
        (AUTHORISED + b"Content-Length: lots\r\n\r\n", 400),
        (AUTHORISED + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET /nowhere HTTP/1.1\r\n\r\n", 404),
        (b"POST /alerts/ HTTP/1.1\r\n\r\n", 404),
        (b"GET /alerts HTTP/1.1\r\n\r\n", 405),
        (b"PUT /alerts HTTP/1.1\r\n\r\n", 405),
        (b"HEAD /alerts HTTP/1.1\r\n\r\n", 405),
        (b"BREW /alerts HTTP/1.1\r\n\r\n", 405),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"garbage\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else str(value),
)
def test_every_other_bad_request_is_a_4xx_and_the_server_goes_on(server: Server, request_: bytes, code: int) -> None:
    assert raw(server, request_).split(b" ", 2)[1] == str(code).encode()
    assert post(server, payload(alert())).status_code == 202


def test_a_body_that_is_shorter_than_it_says_is_400(world: World, server: Server) -> None:
    with connect(server) as connection:
        connection.sendall(AUTHORISED + b"Content-Length: 100\r\n\r\nshort")
        connection.shutdown(socket.SHUT_WR)
        assert b" 400 " in connection.makefile("rb").readline()


def test_a_slow_loris_is_let_go_and_holds_nobody_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "REQUEST_SECONDS", 0.5)
    began = time.monotonic()
    with connect(server) as slow:
        slow.sendall(b"POST /alerts HTTP/1.1\r\n")
        assert post(server, payload(alert())).status_code == 202
        drip = threading.Thread(target=_drip, args=(slow,), daemon=True)
        drip.start()
        with suppress(ConnectionResetError):
            assert slow.recv(1000) == b""
        assert time.monotonic() - began < 5
    drip.join(5)


def _drip(connection: socket.socket) -> None:
    """One byte now and then: each in time, all of them too late."""
    with suppress(OSError):
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)


def test_a_body_that_drips_is_408(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "REQUEST_SECONDS", 0.5)
    assert b" 408 " in raw(server, AUTHORISED + b"Content-Length: 10\r\n\r\nx")


@pytest.mark.parametrize("said", [b"", b"POST /alerts HTTP/1.1\r\n", AUTHORISED + b"Content-Length: 9\r\n\r\n{"])
def test_slow_clients_on_every_connection_do_not_lock_alertmanager_out(
    server: Server, world: World, said: bytes
) -> None:
    with ExitStack() as stack:
        for _ in range(2 * serving.MAX_CONNECTIONS):
            stack.enter_context(connect(server)).sendall(said)
        wait_until(lambda: len(server._open) == serving.MAX_CONNECTIONS, 5, "it is full")
        assert post(server, payload(alert())).status_code == 202
    assert world.events(world.desk()) == ["Accepted"]


def test_nothing_is_left_of_a_storm(server: Server) -> None:
    def storm(_: int) -> int:
        return post(server, payload(alert(run="nobody"))).status_code

    threads = threading.active_count()
    with ThreadPoolExecutor(50) as pool:
        assert set(pool.map(storm, range(200))) <= {200, 503}
    wait_until(lambda: threading.active_count() <= threads, 5, "every thread has ended")


def test_a_ledger_that_cannot_be_written_is_500_so_that_it_is_sent_again(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Ledger.append

    def full(self: Ledger, event: object) -> None:
        raise LedgerError(f"{self.path}: cannot be written: No space left on device")

    monkeypatch.setattr(Ledger, "append", full)
    assert post(server, payload(alert())).status_code == 500
    monkeypatch.setattr(Ledger, "append", append)
    assert post(server, payload(alert())).status_code == 202


def test_a_damaged_ledger_is_200_and_held(world: World, server: Server) -> None:
    world.folder.ledger_path.write_text("garbage\n")
    assert post(server, payload(alert())).status_code == 200
    assert count(server, "held") == 1


def test_the_pages(server: Server) -> None:
    def get(path: str) -> requests.Response:
        return requests.get(url(server, path), timeout=5)

    assert "<h1>trainwarden receiver</h1>" in get("/").text
    assert get("/-/healthy").status_code == 200
    assert get("/-/ready").status_code == 503, "the worker has not begun"
    assert 'trainwarden_restart_state{run="luca",state="watching"} 1.0' in get("/metrics").text
    assert TOKEN not in get("/metrics").text
    assert get("/metrics").headers["Server"] == "trainwarden"


def test_requests_are_counted_by_their_code(server: Server) -> None:
    post(server, payload(alert()), token=None)
    text = requests.get(url(server, "/metrics"), timeout=5).text
    assert 'trainwarden_http_requests_total{code="401"} 1.0' in text
    assert 'trainwarden_http_requests_total{code="413"} 0.0' in text
