"""What Alertmanager really sends by the rendered configuration: to Slack's hook and to a mail server, on loopback."""

import json
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden import config as configuration
from trainwarden.stack.render import render
from trainwarden.stack.tools import Tools

ALERT = {
    "labels": {"alertname": "TrainwardenHostSwap", "severity": "critical", "instance": "night"},
    "annotations": {"summary": "Swap is used.", "description": "2.1 GiB.", "remedy": "Use lowram.", "runbook_url": "x"},
}


class SlackHook(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    messages: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class MailServer(socketserver.StreamRequestHandler):
    """As much of SMTP as one message takes (RFC 5321)."""

    messages: list[str]

    def handle(self) -> None:
        self.wfile.write(b"220 loopback\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go on\r\n")
                self.messages.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@contextmanager
def alertmanager(folder: Path, notify: dict[str, Any], tools: Tools) -> Iterator[str]:
    """A real Alertmanager by the rendered configuration, with its waiting times cut in the copy."""
    port = free_port()
    addresses = dict.fromkeys(("exporter", "receiver", "prometheus", "alertmanager"), "127.0.0.1:1")
    config = configuration.parse({"notify": notify}, "test")
    render(config, folder / "rendered", addresses=addresses, token_file=str(folder / "token"))
    file = folder / "rendered/alertmanager/alertmanager.yml"
    content = yaml.safe_load(file.read_text())
    content["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    file.write_text(yaml.safe_dump(content))
    command = [tools.alertmanager, f"--config.file={file}", f"--storage.path={folder / 'data'}"]
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log, subprocess.Popen([*command, *listen], stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: is_ready(url), 20, "Alertmanager is ready")
            yield url
        finally:
            process.terminate()


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False


def send(url: str) -> None:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert requests.post(f"{url}/api/v2/alerts", json=[{**ALERT, "startsAt": since}], timeout=5).ok


def test_slack_is_told_in_our_words(tmp_path: Path, tools: Tools) -> None:
    hook = type("Hook", (SlackHook,), {"messages": []})
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), hook)) as port:
        secret = tmp_path / "slack-url"
        secret.write_text(f"http://127.0.0.1:{port}/services/secret\n")
        notify = {"slack": {"api_url_file": str(secret), "channel": "#training"}}
        with alertmanager(tmp_path, notify, tools) as url:
            send(url)
            wait_until(lambda: hook.messages, 20, "Slack is told")
    (message,) = hook.messages
    assert message["channel"] == "#training"
    (part,) = message["attachments"]
    assert part["title"] == "CRITICAL: TrainwardenHostSwap · night"
    assert part["text"].startswith("Swap is used. 2.1 GiB.")
    assert part["color"] == "danger"


def test_mail_is_sent_in_our_words(tmp_path: Path, tools: Tools) -> None:
    post = type("Post", (MailServer,), {"messages": []})
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), post)) as port:
        where = {"smarthost": f"127.0.0.1:{port}", "require_tls": False}
        email = {"to": "me@example.org", "from": "warden@example.org", **where}
        with alertmanager(tmp_path, {"email": email}, tools) as url:
            send(url)
            wait_until(lambda: post.messages, 20, "the mail is sent")
    (message,) = post.messages
    assert "Subject: =?utf-8?q?CRITICAL:_TrainwardenHostSwap_=C2=B7_night?=" in message
    assert "Swap is used. 2.1 GiB." in message
