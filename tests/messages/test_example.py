"""The example of every way of being told: it loads, and Alertmanager takes what is rendered of it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.messages.alarm import ADDRESSES
from tests.messages.conftest import secret
from trainwarden import config as configuration
from trainwarden.config import NotifyConfig, secret_files
from trainwarden.stack.people import check_secrets
from trainwarden.stack.render import render
from trainwarden.stack.tools import Tools

EXAMPLE = REPOSITORY / "examples/notifications.yml"
CONTENTS = {"slack-url": "https://hooks.slack.com/x", "heartbeat-url": "https://hc.example.org/x"}


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the example names, in a home of this test's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".config/trainwarden/secrets"
    folder.mkdir(parents=True)
    return folder


def test_every_key_is_in_it() -> None:
    given = yaml.safe_load(EXAMPLE.read_text())["notify"]
    assert set(given) == set(NotifyConfig.__struct_fields__)


def test_alertmanager_takes_it(secrets: Path, tmp_path: Path, tools: Tools) -> None:
    config = configuration.load(EXAMPLE)
    for file in secret_files(config.notify).values():
        assert Path(file).expanduser().parent == secrets
        secret(Path(file).expanduser(), CONTENTS.get(Path(file).name, "a-secret"))
    check_secrets(config.notify)
    render(config, tmp_path / "rendered", addresses=ADDRESSES, token_file=str(tmp_path / "token"))
    file = tmp_path / "rendered/alertmanager/alertmanager.yml"
    done = subprocess.run([tools.amtool, "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
