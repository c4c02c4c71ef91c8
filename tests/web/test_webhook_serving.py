"""``trainwarden receiver`` as a process: what it refuses to start with, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from tests.support.wait import wait_until
from trainwarden.config import Config
from trainwarden.errors import ConfigurationError
from trainwarden.web.webhook import is_loopback, read_token


@pytest.fixture
def command(state_home: Path, tmp_path: Path) -> list[str]:
    return [sys.executable, "-m", "trainwarden", "--config", str(tmp_path / "trainwarden.yml"), "receiver"]


@pytest.fixture
def receiver(command: list[str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "trainwarden.yml").write_text("")
    process = subprocess.Popen(
        [*command, "--web.listen-address", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True, env=os.environ
    )
    yield process
    process.kill()
    process.wait()


def refused(command: list[str], tmp_path: Path, code: int = 2, **receiver: str) -> str:
    """What it says, and that it is one sentence and this exit code."""
    (tmp_path / "trainwarden.yml").write_text(yaml.safe_dump({"receiver": receiver}))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_and_ends_cleanly(receiver: subprocess.Popen[str], signum: int) -> None:
    assert receiver.stderr is not None
    url = re.search(r"http://127\.0\.0\.1:\d+", receiver.stderr.readline())
    assert url is not None
    wait_until(lambda: requests.get(f"{url[0]}/-/ready", timeout=5).status_code == 200, 10, "it is ready")
    receiver.send_signal(signum)
    assert receiver.wait(10) == 0
    assert "Traceback" not in receiver.stderr.read()


def test_beyond_loopback_without_a_token_it_does_not_start(command: list[str], tmp_path: Path) -> None:
    said = refused(command, tmp_path, listen="0.0.0.0:0")
    assert "receiver.listen: 0.0.0.0:0 can be reached from other machines" in said
    assert "receiver.token_file" in said


def test_a_port_in_use_is_one_sentence(command: list[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(command, tmp_path, code=1, listen=f"127.0.0.1:{port}")
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said


def test_a_token_that_others_may_read_is_refused(command: list[str], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-token")
    token.chmod(0o640)
    said = refused(command, tmp_path, token_file=str(token))
    assert f"{token} is open to others (mode 640): chmod 600" in said
    assert "secret-token" not in said


def test_a_token_file_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_token(str(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    with pytest.raises(ConfigurationError, match="is empty"):
        read_token(str(empty))
    assert read_token(None) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
        ("", False), ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_default_listens_on_loopback_only() -> None:
    assert is_loopback(Config().receiver.listen.rpartition(":")[0])
