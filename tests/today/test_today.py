"""The rules, the configuration and the loop on today's Prometheus and Alertmanager, as on the oldest in `make test`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.conftest import REPOSITORY
from tests.e2e.night import Night, night
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from tests.today import unstable
from trainwarden.stack import version
from trainwarden.stack.tools import Tools

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

PARTS = (
    "tests/rules",
    "tests/nights",
    "tests/alertmanager",
    "tests/stack/test_render.py",
    "tests/stack/test_people.py",
    "tests/messages",
    "tests/grafana",
    "tests/web/test_exposition_golden.py",
    "tests/drill/test_drill.py::test_a_crash_is_restarted_once_and_told_as_a_drill",
    "tests/e2e/test_crashed.py::test_a_training_that_is_killed_is_resumed_once_and_ends_as_if_nothing_had_been",
)
"""What asks the real programs; the crashed night and the drill are the whole loop."""
APART = tuple(
    f"tests/rules/test_machine_alerts.py::test_it_stands_from_its_minute_until_it_is_over[{night}]"
    for night in ("RAM during a run: consider a lower configuration", "temperature")
)
"""Nights whose texts say for how long it was a warning: today's ranges, open to the left, let one begin half a minute
later. When the alerts stand is asked of these, too, by ``tests/nights``."""


@pytest.fixture(scope="module")
def today() -> Tools:
    """Today's programs."""
    source = unstable.sources()
    if source is None:
        pytest.skip("apt knows no Debian mirror here: not a Debian, or `apt-get update` was never run")
    return unstable.fetch(REPOSITORY / ".tools" / "today", source)


@pytest.fixture(scope="module")
def watch(nvml_library: Path, today: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("today")
    with night(folder, today, FakeDriver(nvml_library, folder / "nvml.script"), {"seen": {"gpus": [0]}}) as watch:
        yield watch


def test_they_are_newer_than_what_is_always_tested(today: Tools) -> None:
    assert (version.of_binary(today.prometheus, "prometheus") or (0, 0)) >= unstable.FLOORS["PROMETHEUS"]
    assert (version.of_binary(today.alertmanager, "alertmanager") or (0, 0)) >= unstable.FLOORS["ALERTMANAGER"]


def test_what_passes_on_the_oldest_passes_on_todays(today: Tools) -> None:
    """The tests find the programs as a user's `up` does: those on PATH come first."""
    path = os.pathsep.join((str(today.prometheus.parent), str(today.alertmanager.parent), os.environ["PATH"]))
    assert [shutil.which(program.name, path=path) for program in today] == [str(program) for program in today]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *PARTS]
    command += [f"--deselect={night}" for night in APART]
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_our_pages_are_scraped_without_a_complaint(watch: Night) -> None:
    """Prometheus 3 refuses a page whose Content-Type it does not know, and writes ``le`` in its own way."""
    watch.launch("seen", max_train_epochs=1, steps_per_epoch=200)
    buckets = 'trainwarden_run_step_duration_seconds_bucket{run="seen"}'
    stored = {labels["le"] for labels, _ in wait_until(lambda: watch.query(buckets), 60, "the run's steps are stored")}
    page = requests.get(watch.url("exporter", "/metrics"), timeout=5).text
    shown = (line for line in page.splitlines() if line.startswith("trainwarden_run_step_duration_seconds_bucket"))
    assert stored == {line.split('le="')[1].split('"')[0] for line in shown}
    assert wait_until(lambda: _targets(watch), 30, "both targets were scraped") == [
        ("alertmanager", "up", ""),
        ("prometheus", "up", ""),
        ("trainwarden", "up", ""),
        ("trainwarden-receiver", "up", ""),
    ]
    log = (watch.folder / "prometheus.log").read_text()
    assert [line for line in log.splitlines() if "level=WARN" in line or "level=ERROR" in line] == []


def _targets(watch: Night) -> list[tuple[str, str, str]]:
    """Each job, its health and what was wrong with its last scrape; empty until both were scraped."""
    answer = requests.get(watch.url("prometheus", "/api/v1/targets"), timeout=5).json()["data"]["activeTargets"]
    found = [(target["labels"]["job"], target["health"], target["lastError"]) for target in answer]
    return sorted(found) if len(found) == 4 and all(health != "unknown" for _, health, _ in found) else []
