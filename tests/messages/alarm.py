"""A real Alertmanager by the rendered configuration, with its waiting times cut in the copy."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.messages.shipped import Alert
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden import config as configuration
from trainwarden.stack.render import render
from trainwarden.stack.tools import Tools

ADDRESSES = {
    "exporter": "127.0.0.1:1",
    "receiver": "127.0.0.1:1",
    "prometheus": "127.0.0.1:1",
    "alertmanager": "127.0.0.1:1",
    "grafana": "127.0.0.1:3000",
}


class Alarm:
    """How to reach it, and what it left."""

    def __init__(self, url: str, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self.folder = folder
        self.process = process

    def send(self, *alerts: Alert) -> None:
        """As Prometheus does."""
        requests.post(f"{self.url}/api/v2/alerts", json=alerts, timeout=5).raise_for_status()

    @property
    def configuration(self) -> Path:
        return self.folder / "rendered/alertmanager/alertmanager.yml"

    @property
    def log(self) -> str:
        return (self.folder / "alertmanager.log").read_text()


@contextmanager
def alarm(
    folder: Path,
    notify: Mapping[str, Any],
    tools: Tools,
    addresses: Mapping[str, str] = ADDRESSES,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Alarm]:
    """Ready to be sent alerts; ended at the end."""
    port = free_port()
    config = configuration.parse({"notify": notify}, "test")
    render(config, folder / "rendered", addresses=addresses, token_file=str(folder / "token"), machine="workstation")
    file = folder / "rendered/alertmanager/alertmanager.yml"
    hurry(file)
    command = [tools.alertmanager, f"--config.file={file}", f"--storage.path={folder / 'data'}"]
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    external = "--web.external-url=http://alertmanager.example:9093/"
    prefix = "--web.route-prefix=/"
    url = f"http://127.0.0.1:{port}"
    whole = {**os.environ, **(environment or {})}
    with (
        (folder / "alertmanager.log").open("wb") as log,
        subprocess.Popen([*command, *listen, external, prefix], stdout=log, stderr=log, env=whole) as process,
    ):
        try:
            wait_until(lambda: is_ready(url), 30, "Alertmanager is ready")
            yield Alarm(url, folder, process)
        finally:
            process.terminate()


def hurry(file: Path) -> None:
    """Wait a second where the configuration waits seconds or minutes; how often it repeats stays as it is."""
    content = yaml.safe_load(file.read_text())
    for route in (content["route"], *content["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    file.write_text(yaml.safe_dump(content))


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False
