"""What the receiver passes on to addresses that only it knows: Alertmanager's message, whole, and never the address."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.messages.post import Hook, hook
from tests.restart.world import World
from trainwarden.config import Config, NotifyConfig, ReceiverConfig, WebhookConfig
from trainwarden.restart.worker import Worker
from trainwarden.web.server import Server
from trainwarden.web.webhook import make_server

SECRET = "hunter2-in-the-path"
MESSAGE = {"version": "4", "status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "Any"}}]}


def secret(path: Path, content: str) -> str:
    path.touch(mode=0o600)
    path.write_text(content)
    return str(path)


@contextmanager
def receiver(folder: Path, notify: NotifyConfig) -> Iterator[Server]:
    world = World(folder)
    config = Config(receiver=ReceiverConfig(token_file=secret(folder / "token", "the-token")), notify=notify)
    worker = Worker(config, world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    with make_server(config, worker, ["127.0.0.1:0"]) as server:
        threading.Thread(target=server.serve, daemon=True).start()
        yield server
        server.stop()


def post(server: Server, path: str, token: str = "the-token") -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(server.urls[0] + path, json=MESSAGE, headers=headers, timeout=10)


@pytest.fixture
def there() -> Iterator[Hook]:
    with hook() as kept:
        yield kept


@pytest.fixture
def server(tmp_path: Path, there: Hook) -> Iterator[Server]:
    """The address has a line's end, as editors leave it."""
    url, token = secret(tmp_path / "url", f"{there.url}/{SECRET}\n"), secret(tmp_path / "hook-token", "for-the-hook\n")
    notify = NotifyConfig(heartbeat_url_file=url, webhook=WebhookConfig(url_file=url, token_file=token))
    with receiver(tmp_path, notify) as server:
        yield server


def test_a_message_is_passed_on_whole(server: Server, there: Hook) -> None:
    assert post(server, "/relay/webhook").text == "Passed on.\n"
    assert [(one.path, one.authorization, one.body) for one in there.posted] == [
        (f"/{SECRET}", "Bearer for-the-hook", MESSAGE)
    ]


def test_a_heartbeat_shows_no_token_of_ours(server: Server, there: Hook) -> None:
    assert post(server, "/relay/heartbeat").status_code == 200
    assert [one.authorization for one in there.posted] == [None]


def test_only_who_has_the_token_may_send(server: Server, there: Hook) -> None:
    assert post(server, "/relay/webhook", token="wrong").status_code == 401
    assert there.posted == []


def test_what_the_address_refuses_is_refused_and_logged_once(
    server: Server, there: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    there.status = 503
    for _ in range(3):
        answer = post(server, "/relay/webhook")
        assert (answer.status_code, answer.text) == (502, "Not passed on: the address answered 503.\n")
    there.status = 200
    assert post(server, "/relay/webhook").ok
    assert [record.message for record in caplog.records if record.name == "trainwarden.web.relay"] == [
        "notify.webhook.url_file: the address answered 503",
        "notify.webhook.url_file: messages arrive again",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "the address cannot be reached (ConnectionError)"),
        (f"{SECRET}", "{file}: is no address; write one that begins with https:// or http://"),
    ],
)
def test_neither_answer_nor_log_tells_the_address(
    tmp_path: Path, content: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trainwarden")
    file = secret(tmp_path / "url", content)
    with receiver(tmp_path, NotifyConfig(heartbeat_url_file=file)) as server:
        answer = post(server, "/relay/heartbeat")
    assert (answer.status_code, answer.text) == (502, f"Not passed on: {said.format(file=file)}.\n")
    assert SECRET not in caplog.text


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    with receiver(tmp_path, NotifyConfig(heartbeat_url_file=str(tmp_path / "gone"))) as server:
        assert post(server, "/relay/heartbeat").text == f"Not passed on: {tmp_path}/gone: No such file or directory.\n"


def test_what_is_not_set_has_no_page(tmp_path: Path) -> None:
    with receiver(tmp_path, NotifyConfig()) as server:
        assert {post(server, f"/relay/{name}").status_code for name in ("webhook", "heartbeat")} == {404}
