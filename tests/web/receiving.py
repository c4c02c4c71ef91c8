"""A receiver over real HTTP, and what is said to it."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.restart.world import World
from trainwarden.config import Config, ReceiverConfig
from trainwarden.restart.worker import Worker
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
