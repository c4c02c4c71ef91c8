"""Where people are told in these tests: Slack's hook and a mailbox, behind one Alertmanager."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages.alarm import Alarm, alarm
from tests.messages.post import Hook, Mailbox, hook, mail_server
from trainwarden.stack.tools import Tools


def secret(path: Path, content: str) -> str:
    """A file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_text(content)
    return str(path)


@pytest.fixture
def slack() -> Iterator[Hook]:
    with hook() as kept:
        yield kept


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture
def told(tmp_path: Path, slack: Hook, mailbox: Mailbox, tools: Tools) -> Iterator[Alarm]:
    """An Alertmanager that tells both."""
    notify = {
        "slack": {
            "api_url_file": secret(tmp_path / "slack-url", f"{slack.url}/services/T0/B0"),
            "channel": "#training",
        },
        "email": {
            "to": "me@example.org",
            "from": "warden@example.org",
            "smarthost": mailbox.smarthost,
            "require_tls": False,
        },
    }
    with alarm(tmp_path, notify, tools) as ready:
        yield ready
