"""The receiver behind a web configuration with users."""

import threading
from pathlib import Path

import bcrypt
import pytest
import requests

from tests.restart.world import World
from tests.web.receiving import TOKEN, payload, post, url
from trainwarden.config import Config, ReceiverConfig
from trainwarden.restart.worker import Worker
from trainwarden.web.webhook import make_server


@pytest.mark.parametrize("with_token", [True, False])
def test_with_users_the_webhook_asks_for_its_token_or_else_for_a_user_and_every_other_page_for_a_user(
    tmp_path: Path, with_token: bool
) -> None:
    world = World(tmp_path)
    token, web = tmp_path / "token", tmp_path / "web.yml"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    web.write_text(f"basic_auth_users: {{alice: '{bcrypt.hashpw(b'secret', bcrypt.gensalt(4)).decode()}'}}")
    settings = ReceiverConfig(token_file=str(token) if with_token else None, web_config_file=str(web))
    worker = Worker(Config(), world.root, launcher_for=lambda _: world, read_exporter=lambda _: world.exporter)
    with make_server(Config(receiver=settings), worker, ["127.0.0.1:0"]) as server:
        threading.Thread(target=server.serve, daemon=True).start()
        alice = ("alice", "secret")
        assert requests.get(url(server, "/metrics"), timeout=5).status_code == 401
        assert requests.get(url(server, "/metrics"), auth=alice, timeout=5).status_code == 200
        assert post(server, payload(), token=TOKEN).status_code == (200 if with_token else 401)
        by_alice = requests.post(url(server, "/alerts"), json=payload(), auth=alice, timeout=5)
        assert by_alice.status_code == (401 if with_token else 200)
        server.stop()
