"""The webhook over real HTTP: every bad request with its status and sentence, and clients that are slow."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import requests

from tests.restart.world import World
from tests.support.wait import wait_until
from tests.web.receiving import TOKEN, alert, connect, payload, post, url
from trainwarden.web import conversation
from trainwarden.web import server as serving
from trainwarden.web.server import Server


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
