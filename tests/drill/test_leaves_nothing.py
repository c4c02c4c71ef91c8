"""However a drill ends, nothing of it stays: no process, no file, no port. And the link that is broken is named."""

import os
import shutil
import signal
import socket
from urllib.parse import urlsplit

import pytest

from tests.drill.conftest import DrillHome, await_training
from tests.stack.test_tools import put
from tests.support.wait import wait_until
from trainwarden.stack.tools import FOLDER_ENVIRONMENT, Tools

pytestmark = pytest.mark.waits


def answers(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def broken_alertmanager(home: DrillHome, tools: Tools) -> None:
    """A PATH on which Alertmanager says its version, as it should, and otherwise ends at once."""
    folder = home.folder / "bin"
    script = 'case "$1" in --version) echo "alertmanager, version 0.28.0";; *) echo "no disk" >&2; exit 7;; esac'
    put(folder / "alertmanager", script)
    for name in ("amtool", "prometheus", "promtool"):
        (folder / name).symlink_to(getattr(tools, name))
    home.environment["PATH"] = f"{folder}:{home.environment['PATH']}"
    home.environment[FOLDER_ENVIRONMENT] = str(home.folder / "no-tools")


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.heavy)])
def test_a_signal_ends_it_with_nothing_left(home: DrillHome, number: signal.Signals) -> None:
    drill = home.begin("hang")
    await_training(home)
    urls = home.urls()
    assert len(urls) == 4
    drill.send_signal(number)
    _, errors = drill.communicate(timeout=60)
    assert drill.returncode == 130
    assert errors.decode().endswith("The drill was ended early; nothing of it is left.\n")
    assert home.marked() == []
    assert home.files() == []
    assert [url for url in urls if answers(url)] == []


def test_what_a_killed_drill_leaves_is_cleared_by_the_next(home: DrillHome, tools: Tools) -> None:
    drill = home.begin("hang")
    await_training(home)
    drill.kill()
    drill.communicate(timeout=30)
    assert len(home.marked()) >= 7, "four services, keeper, supervisor and training"
    broken_alertmanager(home, tools)
    _, _, errors = home.drill("crash")
    assert errors.startswith("An earlier drill was cut off; what it left behind is cleared away.\n")
    assert home.marked() == []
    assert home.files() == []


def test_a_broken_alertmanager_is_named(home: DrillHome, tools: Tools) -> None:
    broken_alertmanager(home, tools)
    code, printed, _ = home.drill("crash")
    (drill,) = printed["drills"]
    assert (code, printed["ok"], drill["broken"]) == (1, False, "alertmanager")
    assert drill["why"].startswith("Alertmanager ended (exit code 7) before it was ready.")
    assert "no disk" in drill["why"]
    assert home.files() == []


@pytest.mark.parametrize("service", ["exporter", pytest.param("receiver", marks=pytest.mark.heavy)])
def test_a_service_that_dies_in_the_drill_is_named(home: DrillHome, service: str) -> None:
    drill = home.begin("hang", "--json")
    await_training(home)
    os.kill(home.services()[service], signal.SIGKILL)
    printed, _ = drill.communicate(timeout=60)
    assert drill.returncode == 1
    assert f'"broken": "{service}"' in printed.decode()
    assert home.marked() == []
    assert home.files() == []


def test_two_drills_at_once_are_refused(home: DrillHome) -> None:
    first = home.begin("crash")
    wait_until(home.root.is_dir, 30, "the first has begun")
    wait_until(home.services, 30, "it holds its ground")
    second = home.trainwarden("drill", "crash")
    assert second.returncode == 1
    assert second.stderr == "trainwarden: another drill is under way or has just ended; try again when it is done\n"
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert first.returncode == 130


def test_the_users_own_run_and_state_are_not_touched(home: DrillHome, tools: Tools) -> None:
    started = home.trainwarden("run", "mine", "--detach", "--", "sleep", "600")
    assert started.returncode == 0, started.stderr
    own = sorted(home.processes())
    before = [path for path in home.files() if "progress" not in path]
    broken_alertmanager(home, tools)
    assert home.drill("crash")[0] == 1
    assert sorted(home.processes()) == own
    assert [path for path in home.files() if "progress" not in path] == before
    assert home.trainwarden("stop", "mine").returncode == 0
    shutil.rmtree(home.folder / "state")
