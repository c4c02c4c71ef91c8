"""The webhook over real HTTP: what it takes in, and what becomes of it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.restart.world import World, ledger
from tests.web.receiving import TOKEN, alert, count, payload, post, url
from trainwarden.restart.ledger import Ledger, LedgerError
from trainwarden.web.server import Server


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
