"""`trainwarden up` and `down` as a user runs them: real services, real processes, nothing left behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stack.test_tools import put, put_pair
from tests.support.home import SERVICES, Home
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden.runs.folder import RunFolder
from trainwarden.stack.tools import ALERTMANAGER, FOLDER_ENVIRONMENT, PROMETHEUS, Tools


@pytest.fixture
def home(tmp_path: Path, tools: Tools) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.clear()


@pytest.fixture(scope="module")
def detached(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Iterator[Home]:
    """A stack that was brought up with --detach in a home where no run is configured."""
    home = Home(tmp_path_factory.mktemp("home"))
    done = home.run(*home.up("--detach", "--json"))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["demo"] is True
    assert {name: printed["addresses"][name].rstrip("/").removesuffix("/metrics") for name in SERVICES} == {
        name: f"http://127.0.0.1:{home.ports[name]}" for name in SERVICES
    }
    yield home
    assert home.trainwarden("down").returncode == 0
    assert home.processes() == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_ready_when_up_returns(detached: Home, name: str) -> None:
    assert detached.get(name, "/-/ready").ok


def test_the_demo_training_is_seen_in_prometheus(detached: Home) -> None:
    machine = socket.gethostname()
    up = wait_until(lambda: detached.query("up == 1") if len(detached.query("up == 1")) == 2 else [], 40, "both are up")
    assert {row["metric"]["instance"] for row in up} == {machine}
    wait_until(lambda: detached.query('trainwarden_run_step{run="demo"} > 0'), 40, "the demo's steps are in Prometheus")


def test_prometheus_has_its_pages_with_everything_on_them(detached: Home) -> None:
    page = detached.get("prometheus", "/graph", **{"g0.expr": "up"})
    assert page.ok
    assert "g0.expr=up" in page.url
    parts = set(re.findall(r'(?:src|href)="[.]?(/[^"?]*static/[^"?]+)', page.text))
    assert parts
    assert [part for part in parts if not detached.get("prometheus", part).ok] == []


def test_alertmanager_has_a_page(detached: Home) -> None:
    page = detached.get("alertmanager", "/")
    assert page.ok
    assert "<title>Alertmanager</title>" in page.text


def test_alertmanager_is_reached_by_prometheus(detached: Home) -> None:
    def active() -> list[Any]:
        return list(detached.get("prometheus", "/api/v1/alertmanagers").json()["data"]["activeAlertmanagers"])

    (found,) = wait_until(active, 20, "Prometheus has found Alertmanager")
    assert f":{detached.ports['alertmanager']}/" in found["url"]


def test_a_second_up_says_that_it_is_up(detached: Home) -> None:
    done = detached.run(sys.executable, "-m", "trainwarden", "up")
    assert done.returncode == 1
    assert done.stderr == (
        f"trainwarden: the stack is already up (Prometheus: http://127.0.0.1:{detached.ports['prometheus']}/); "
        "`trainwarden down` ends it\n"
    )


def test_the_token_is_for_its_owner_only_and_on_no_command_line(detached: Home) -> None:
    token = detached.stack.token_path
    assert token.stat().st_mode & 0o777 == 0o600
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in detached.processes())
    assert token.read_bytes() not in lines


def test_down_stops_all_but_the_users_own_runs(home: Home) -> None:
    started = home.trainwarden("run", "mine", "--detach", "--", "sleep", "600")
    assert started.returncode == 0, started.stderr
    own = set(home.processes())
    done = home.run(*home.up("--detach"))
    assert done.returncode == 0, done.stderr
    assert "trainwarden is up" in done.stdout
    assert home.stack.read().demo == "", "a run is alive: no demo is needed"
    assert home.trainwarden("down").stderr == "The stack is down.\n"
    assert set(home.processes()) == own
    assert home.trainwarden("stop", "mine").returncode == 0
    assert home.trainwarden("down").stderr == "No stack is up.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_a_signal_ends_everything_the_demo_too(home: Home, number: signal.Signals) -> None:
    up = subprocess.Popen(home.up("--demo", "--json"), env=home.environment, stdout=subprocess.PIPE)
    assert json.loads(up.stdout.readline())["demo"] is True
    run = RunFolder("demo", home.folder / "state/trainwarden/runs")
    wait_until(lambda: run.read_state() is not None, 20, "the demo has begun")
    up.send_signal(number)
    assert up.wait(60) == 0
    assert home.processes() == []
    assert home.stack.read() is None


def test_a_service_that_dies_is_said_and_started_again(home: Home) -> None:
    with (home.folder / "said").open("wb") as said:
        up = subprocess.Popen(home.up("--no-demo", "--json"), env=home.environment, stdout=subprocess.PIPE, stderr=said)
    assert up.stdout.readline()
    exporter = next(s.process.pid for s in home.stack.read().services if s.name == "exporter")
    os.kill(exporter, signal.SIGKILL)
    words = "Exporter was killed (SIGKILL); starting it again in 1 s. The end of "
    wait_until(lambda: words in (home.folder / "said").read_text(), 10, "the death is said")
    wait_until(lambda: is_ready(home, "exporter"), 20, "the exporter answers again")
    assert [s.name for s in home.stack.read().services] == list(SERVICES)
    up.terminate()
    assert up.wait(60) == 0
    assert home.processes() == []


def is_ready(home: Home, name: str) -> bool:
    try:
        return home.get(name, "/-/ready").ok
    except requests.RequestException:
        return False


def test_what_a_killed_watchman_left_is_cleared_by_down(home: Home) -> None:
    assert home.run(*home.up("--detach", "--no-demo")).returncode == 0
    os.kill(home.stack.read().watchman.pid, signal.SIGKILL)
    assert len(home.processes()) >= len(SERVICES)
    assert home.trainwarden("down").returncode == 0
    assert home.processes() == []


def test_a_given_port_in_use_is_one_sentence_and_nothing_is_started(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.ports["prometheus"]))
        taken.listen()
        done = home.run(*home.up("--detach"))
    assert done.returncode == 1
    assert done.stderr == (
        f"trainwarden: --prometheus-port {home.ports['prometheus']}: the port is in use; give another, or none to have "
        "a free one taken\n"
    )
    assert home.processes() == []


def test_without_prometheus_it_says_what_to_install(home: Home) -> None:
    empty = home.folder / "empty"
    empty.mkdir()
    nowhere = f"http://127.0.0.1:{free_port()}"
    home.environment |= {"PATH": str(empty), FOLDER_ENVIRONMENT: str(empty), "TRAINWARDEN_RELEASES_URL": nowhere}
    done = home.run(*home.up("--detach"))
    assert done.returncode == 1
    assert (
        "trainwarden: Prometheus 2.42 or newer is not on PATH, this system has no apt, and its release" in done.stderr
    )
    assert "sudo apt install prometheus" in done.stderr
    assert home.processes() == []


def test_a_service_that_does_not_start_shows_its_last_words(home: Home) -> None:
    folder = home.folder / "bin"
    put_pair(folder, PROMETHEUS, "3.1.0")
    put_pair(folder, ALERTMANAGER, "0.28.0")
    put(
        folder / "prometheus",
        '[ "$1" = --version ] && echo prometheus, version 3.1.0 && exit; echo no such flag; exit 3',
    )
    home.environment["PATH"] = f"{folder}:{home.environment['PATH']}"
    done = home.run(*home.up("--detach"))
    assert done.returncode == 1
    log = home.stack.log("prometheus")
    expected = f"trainwarden: Prometheus ended (exit code 3) before it was ready. The end of {log}:\n  no such flag\n"
    assert done.stderr.endswith(expected)
    assert home.processes() == []


FAKE_GRAFANA = """
cd "$GF_PATHS_DATA" && mkdir api && : >api/health && env >environment
exec {python} -m http.server --bind "$GF_SERVER_HTTP_ADDR" "$GF_SERVER_HTTP_PORT"
"""


def test_grafana_is_started_where_it_is_installed(home: Home) -> None:
    """With a stand-in: what it is told, not what Grafana makes of it."""
    put(home.folder / "bin/grafana-server", FAKE_GRAFANA.format(python=sys.executable))
    home.environment["PATH"] = f"{home.folder / 'bin'}:{home.environment['PATH']}"
    done = home.run(*home.up("--detach", "--no-demo", "--json"))
    assert done.returncode == 0, done.stderr
    assert requests.get(json.loads(done.stdout)["addresses"]["grafana"] + "environment", timeout=5).ok
    told = dict(
        line.split("=", 1)
        for line in (home.stack.data("grafana") / "environment").read_text().splitlines()
        if "=" in line
    )
    provisioning = Path(told["GF_PATHS_PROVISIONING"])
    assert (
        f"url: http://127.0.0.1:{home.ports['prometheus']}\n"
        in (provisioning / "datasources/trainwarden.yml").read_text()
    )
    assert told["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert home.trainwarden("down").returncode == 0
    assert home.processes() == []
