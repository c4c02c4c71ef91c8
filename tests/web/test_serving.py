"""The server beneath both edges: connections that last, that are slow, that are many; and its end."""

import socket
import threading
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from tests.web.serving import Collect, ask, good, serving
from trainwarden.config import ExporterConfig
from trainwarden.series import Series
from trainwarden.web import conversation, server
from trainwarden.web.exposition import ExporterPages
from trainwarden.web.server import ListenError, Server
from trainwarden.web.site import Site


def test_one_connection_carries_many_scrapes() -> None:
    with serving() as served:
        connection = served.http()
        ask(connection, "/metrics")
        kept = connection.sock
        for _ in range(3):
            assert ask(connection, "/metrics").status == 200
        assert connection.sock is kept


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /-/healthy HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /-/healthy HTTP/1.0\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\n\r\n",
        b"GET /-/healthy HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
        b"GET /-/healthy HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["asked to", "HTTP/1.0", "after a refusal", "with a body nobody read", "with a body of unknown length"],
)
def test_a_connection_ends_where_nothing_can_follow(request_: bytes) -> None:
    with serving() as served, served.connect() as connection:
        connection.sendall(request_)
        answer = connection.makefile("rb").read()  # ends though this side stays open
    assert b"\r\nConnection: close\r\n" in answer


def test_requests_that_come_in_one_piece_are_answered_in_their_order() -> None:
    pipelined = b"GET /-/healthy HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /nowhere HTTP/1.1\r\n\r\n"
    with serving() as served:
        answer = served.raw(pipelined)
    assert [line.split()[1] for line in answer.splitlines() if line.startswith(b"HTTP/")] == [b"200", b"200", b"404"]


def test_a_head_has_the_headers_of_a_get_and_no_body() -> None:
    with serving() as served:
        head = served.raw(b"HEAD /-/healthy HTTP/1.1\r\n\r\n")
        got = served.raw(b"GET /-/healthy HTTP/1.1\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nContent-Length: 33\r\n" in head
    assert got.startswith(head)
    assert got.removeprefix(head) == b"trainwarden exporter is healthy.\n"
    assert head.endswith(b"\r\n\r\n")


def test_another_method_is_405_and_says_which_is_answered() -> None:
    with serving() as served:
        refused = served.get("/metrics", "POST")
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_a_client_that_is_silent_or_drips_is_let_go_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "REQUEST_SECONDS", 0.5)
    with serving() as served, served.connect() as silent, served.connect() as dripping:
        threading.Thread(target=_drip, args=(dripping,), daemon=True).start()
        assert served.get("/metrics").status == 200
        for connection in (silent, dripping):
            with suppress(ConnectionResetError):
                assert connection.recv(1000) == b""


def _drip(connection: socket.socket) -> None:
    with suppress(OSError):
        for byte in b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 90:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)


def test_a_client_that_does_not_read_its_answer_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr("trainwarden.web.wire.LINGER_SECONDS", 0.1)
    with serving() as served, served.connect() as deaf:
        with suppress(OSError):
            for _ in range(2000):  # megabytes of answers
                deaf.sendall(b"GET / HTTP/1.1\r\n\r\n" * 50)
        wait_until(lambda: not served.server._open, 10, "it is let go")


def test_a_connection_that_waits_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with serving() as served:
        waiting = [served.http() for _ in range(4)]
        for connection in waiting:
            ask(connection, "/-/healthy")
        wait_until(lambda: all(each.idle for each in served.server._open), 5, "all four wait")
        assert served.get("/-/healthy").status == 200
        assert waiting[0].sock.recv(1) == b"", "the one that has waited longest"
        assert ask(waiting[3], "/-/healthy").status == 200


def test_who_has_not_said_all_of_its_request_makes_room_and_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with serving() as served, ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(4)]
        for connection in slow:
            connection.sendall(b"GET")
        wait_until(lambda: len(served.server._open) == 4, 5, "it is full")
        assert served.get("/-/healthy").status == 200
        with suppress(ConnectionResetError):
            assert slow[0].recv(1) == b""
        slow[3].sendall(b" /-/healthy HTTP/1.1\r\n\r\n")
        assert slow[3].recv(1000).startswith(b"HTTP/1.1 200 ")


def test_who_only_pauses_between_requests_keeps_its_place_beside_slow_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 4)
    with serving() as served, ExitStack() as stack:
        slow = [stack.enter_context(served.connect()) for _ in range(3)]
        for connection in slow:
            connection.sendall(b"GET")
        wait_until(lambda: len(served.server._open) == 3, 5, "they are connected")
        kept = served.http()
        assert ask(kept, "/-/healthy").status == 200
        assert served.get("/-/healthy").status == 200
        with suppress(ConnectionResetError):
            assert slow[0].recv(1) == b""
        assert ask(kept, "/-/healthy").status == 200


def test_connections_that_are_being_answered_make_no_room_and_a_further_one_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    reading, release = threading.Event(), threading.Event()
    with serving(_holding(reading, release)) as served, ExitStack() as stack:
        waiting = [stack.enter_context(served.connect()) for _ in range(2)]
        for connection in waiting:
            connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_until(lambda: [each.answering for each in served.server._open] == [True, True], 5, "it is busy")
        assert served.raw(b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        release.set()
        assert all(connection.recv(1000).startswith(b"HTTP/1.1 200 ") for connection in waiting)


def test_who_is_turned_away_gets_the_answer_though_the_request_was_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 0)
    with Server(["127.0.0.1:0"], _site()) as full:
        host, _, port = full.urls[0].removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")  # there before the connection is accepted
            thread = threading.Thread(target=full.serve, daemon=True)
            thread.start()
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 503 "), "and no reset"
        full.stop()
        thread.join(5)


def _site() -> Site:
    return ExporterPages(ExporterConfig(), lambda *_, anew: good()).site()


def test_a_fault_of_ours_is_500_in_one_sentence_and_the_log_has_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    readings = iter([ZeroDivisionError("a secret of the fault"), None])

    def collect(_: float | None) -> list[Series]:
        if error := next(readings):
            raise error
        return good()

    with serving(collect) as served:
        failed = served.get("/metrics")
        assert served.get("/metrics").status == 200
    assert (failed.status, failed.text.count("\n")) == (500, 1)
    assert "secret" not in failed.text
    assert "a secret of the fault" in caplog.text


@pytest.mark.parametrize("hosts", [["127.0.0.1", "127.0.0.2"], ["[::1]"]])
def test_it_listens_on_every_address_that_it_is_given(hosts: list[str]) -> None:
    if hosts == ["[::1]"] and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with Server([f"{host}:0" for host in hosts], _site()) as listening:
        thread = threading.Thread(target=listening.serve, daemon=True)
        thread.start()
        assert [url.rpartition(":")[0] for url in listening.urls] == [f"http://{host}" for host in hosts]
        for url in listening.urls:
            with urllib.request.urlopen(f"{url}/-/healthy", timeout=5) as answer:
                assert answer.status == 200
        listening.stop()
        thread.join(5)


def test_where_one_address_cannot_be_had_none_is_kept() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = f"127.0.0.1:{probe.getsockname()[1]}"
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ListenError, match="Address already in use"),
    ):
        Server([free, f"127.0.0.1:{taken.getsockname()[1]}"], _site())
    with Server([free], _site()):
        pass


def test_its_end_waits_for_an_answer_in_progress() -> None:
    reading, release = threading.Event(), threading.Event()
    with serving(_holding(reading, release)) as served, served.connect() as scraping:
        scraping.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert reading.wait(5)
        threading.Timer(0.1, release.set).start()
        served.end()
        assert release.is_set(), "a process would have ended before"
        assert scraping.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_its_end_does_not_wait_for_what_hangs_and_frees_the_address() -> None:
    reading, release = threading.Event(), threading.Event()
    with serving(_holding(reading, release)) as served, served.connect() as scraping:
        scraping.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert reading.wait(5)
        began = time.monotonic()
        served.end()
        assert time.monotonic() - began < 1
        with socket.socket() as next_one:
            next_one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            next_one.bind(served.address)
        release.set()


def _holding(reading: threading.Event, release: threading.Event) -> Collect:
    def collect(_: float | None) -> list[Series]:
        reading.set()
        release.wait(10)
        return good()

    return collect
