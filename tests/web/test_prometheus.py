"""Real Prometheus scrapes the real exporter over TLS, as a user with a password."""

import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from tests.support.nvml import FakeDriver
from tests.support.ports import free_port
from tests.support.wait import wait_until
from tests.web.certificates import Certificates
from tests.web.exporter import Exporter
from trainwarden.stack.tools import Tools


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_prometheus_scrapes_over_tls_with_a_password(
    nvml: FakeDriver, state_home: Path, tmp_path: Path, tools: Tools, password: str
) -> None:
    certificates = Certificates(tmp_path)
    users = {"prometheus": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}
    exporter = Exporter(nvml.environment(), "--web.config.file", certificates.configure(users), scheme="https")
    try:
        target = _scraped(tools, tmp_path, exporter.url.partition("://")[2], password)
        assert target["health"] == ("up" if password == "right" else "down")
        assert ("401" in target["lastError"]) == (password == "wrong")
    finally:
        said = exporter.close()
    assert said == "", "neither users nor refusals are anybody's to read in a log"


def _scraped(tools: Tools, folder: Path, address: str, password: str) -> Any:
    """What Prometheus says of the target after its third scrape."""
    port = free_port()
    job = {
        "job_name": "trainwarden",
        "scheme": "https",
        "scrape_interval": "1s",
        "basic_auth": {"username": "prometheus", "password": password},
        "tls_config": {"ca_file": str(folder / "ca.crt")},
        "static_configs": [{"targets": [address]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
    command = [str(tools.prometheus), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        own = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        scrapes = 'count_over_time(up{job="trainwarden"}[1m])'
        wait_until(lambda: _value(port, scrapes) >= 3, 30, "three scrapes")
        [target] = _ask(port, "targets")["activeTargets"]
        return target
    finally:
        own.terminate()
        own.wait(20)


def _value(port: int, expression: str) -> float:
    found = _ask(port, f"query?query={urllib.request.quote(expression)}")
    return float(found["result"][0]["value"][1]) if found and found["result"] else 0.0


def _ask(port: int, path: str) -> Any:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None
