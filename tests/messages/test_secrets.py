"""Each secret reaches whom it is for, and stands nowhere else: no log, no process list, no page, no rendered file."""

import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import pytest
import requests
import trustme
import yaml

from tests.messages.alarm import ADDRESSES, Alarm, alarm
from tests.messages.conftest import secret
from tests.messages.post import Hook, Mailbox, hook, mail_server
from tests.messages.shipped import alert
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

TOKEN = "receiver-token-hunter2"
PASSWORD = "smtp-password-hunter2"
SLACK, HOOK, HEARTBEAT = "slack-path-hunter2", "hook-path-hunter2", "heartbeat-path-hunter2"
HOOK_TOKEN = "hook-token-hunter2"
WATCHDOG = {"labels": {"alertname": "TrainwardenWatchdog", "severity": "info"}}


class Chain:
    """Alertmanager and receiver as two processes, and everywhere that they send to."""

    def __init__(self, am: Alarm, receiver: "Popen[bytes]", url: str, box: Mailbox, slack: Hook, other: Hook) -> None:
        self.alarm, self.receiver, self.receiver_url = am, receiver, url
        self.box, self.slack, self.other = box, slack, other

    def paths(self) -> set[str]:
        return {one.path for one in self.other.posted}

    def told(self) -> dict[str, str]:
        """Everything that anybody but the addressee could read, by its place."""
        rendered = [path for path in (self.alarm.folder / "rendered").rglob("*") if path.is_file()]
        pages = {
            url: requests.get(url, timeout=5).text
            for url in (
                f"{self.alarm.url}/api/v2/status",
                f"{self.alarm.url}/metrics",
                f"{self.receiver_url}/metrics",
                f"{self.receiver_url}/",
            )
        }
        lines = {
            str(process.pid): Path(f"/proc/{process.pid}/cmdline").read_text()
            for process in (self.alarm.process, self.receiver)
        }
        logs = {"Alertmanager": self.alarm.log, "receiver": (self.alarm.folder / "receiver.log").read_text()}
        return {**{str(path): path.read_text() for path in rendered}, **pages, **lines, **logs}


@contextmanager
def receiver(folder: Path, port: int) -> Iterator["Popen[bytes]"]:
    """`trainwarden receiver` by the rendered configuration."""
    configuration = folder / "rendered/trainwarden.yml"
    command = [sys.executable, "-m", "trainwarden", "--config", str(configuration), "receiver"]
    with (
        (folder / "receiver.log").open("wb") as log,
        Popen([*command, "--web.listen-address", f"127.0.0.1:{port}"], stdout=log, stderr=log) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture
def chain(tmp_path: Path, state_home: Path, tools: Tools) -> Iterator[Chain]:
    authority, port = trustme.CA(), free_port()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    secret(tmp_path / "token", TOKEN)
    with mail_server(context, login=True) as box, hook() as slack, hook() as other:
        notify = {
            "slack": {"api_url_file": secret(tmp_path / "slack", f"{slack.url}/{SLACK}"), "channel": "#training"},
            "email": {
                "to": "me@example.org",
                "from": "warden@example.org",
                "smarthost": box.smarthost,
                "username": "warden",
                "password_file": secret(tmp_path / "password", PASSWORD),
            },
            "webhook": {
                "url_file": secret(tmp_path / "hook", f"{other.url}/{HOOK}"),
                "token_file": secret(tmp_path / "hook-token", HOOK_TOKEN),
            },
            "heartbeat_url_file": secret(tmp_path / "heartbeat", f"{other.url}/{HEARTBEAT}"),
        }
        addresses = {**ADDRESSES, "receiver": f"127.0.0.1:{port}"}
        trusting = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        with alarm(tmp_path, notify, tools, addresses, trusting) as am, receiver(tmp_path, port) as process:
            url = f"http://127.0.0.1:{port}"
            yield Chain(am, process, url, box, slack, other)


def test_every_secret_arrives_and_stands_nowhere_else(chain: Chain) -> None:
    chain.alarm.send(alert("TrainwardenRunStalled", "critical"), WATCHDOG)
    wait_until(lambda: chain.box.mails and chain.slack.posted, 30, "mail and Slack")
    wait_until(lambda: chain.paths() == {f"/{HOOK}", f"/{HEARTBEAT}"}, 30, "webhook and heartbeat")

    (mail,) = chain.box.mails
    assert mail.encrypted
    assert mail.login is not None
    assert (mail.login.login, mail.login.password) == (b"warden", PASSWORD.encode())
    assert chain.slack.posted[0].path == f"/{SLACK}"
    tokens = {one.path: one.authorization for one in chain.other.posted}
    assert tokens == {f"/{HOOK}": f"Bearer {HOOK_TOKEN}", f"/{HEARTBEAT}": None}
    (message,) = (one.body for one in chain.other.posted if one.path == f"/{HOOK}")
    assert (message["version"], message["commonLabels"]["alertname"]) == ("4", "TrainwardenRunStalled")

    told = chain.told()
    assert len(told) > 15
    assert [place for place, text in told.items() if "hunter2" in text] == []


def test_an_address_that_fails_is_not_told_either(chain: Chain) -> None:
    chain.other.status = 500
    chain.alarm.send(alert("TrainwardenRunStalled", "critical"), WATCHDOG)
    receiver_log = chain.alarm.folder / "receiver.log"
    wait_until(lambda: receiver_log.read_text().count("the address answered 500") == 2, 30, "both are refused")
    wait_until(lambda: "unexpected status code 502" in chain.alarm.log, 30, "Alertmanager hears of it")
    assert [place for place, text in chain.told().items() if "hunter2" in text] == []


def test_render_names_what_is_missing_in_one_sentence_and_renders_nothing(tmp_path: Path, state_home: Path) -> None:
    """As compose's first service runs it."""
    file = tmp_path / "trainwarden.yml"
    file.write_text(yaml.safe_dump({"notify": {"heartbeat_url_file": str(tmp_path / "absent")}}))
    command = [sys.executable, "-m", "trainwarden", "--config", str(file), "render", str(tmp_path / "rendered")]
    with Popen(command, stdout=PIPE, stderr=STDOUT, text=True) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert f"notify.heartbeat_url_file: {tmp_path / 'absent'}: there is no such file" in said
    assert not (tmp_path / "rendered").exists()
