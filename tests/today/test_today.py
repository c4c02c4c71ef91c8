"""The rules, the configuration and the loop on today's Prometheus and Alertmanager, as on the oldest in `make test`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from tests.conftest import REPOSITORY
from tests.e2e.night import Night, night
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from tests.today import unstable
from trainwarden.stack import release, version
from trainwarden.stack.tools import Tools

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

PARTS = (
    "tests/rules",
    "tests/nights",
    "tests/alertmanager",
    "tests/stack/test_render.py",
    "tests/stack/test_people.py",
    "tests/messages",
    "tests/chain",
    "tests/doctor",
    "tests/grafana",
    "tests/web/test_exposition_golden.py",
    "tests/drill/test_drill.py::test_a_crash_is_restarted_once_and_told_as_a_drill",
    "tests/e2e/test_crashed.py::test_a_training_that_is_killed_is_resumed_once_and_ends_as_if_nothing_had_been",
)
"""What asks the real programs; the crashed night and the drill are the whole loop."""
PINNED = ("tests/alertmanager", "tests/stack/test_render.py", "tests/messages", "tests/chain")
"""What asks Alertmanager, and so is asked of the very release that docker-compose.yml pins."""


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
    passes(today, PARTS)


def test_what_asks_alertmanager_passes_on_the_release_that_compose_pins(today: Tools) -> None:
    """Debian has no package of it yet, so its makers' own is taken, as `up` does where a distribution has none."""
    passes(today._replace(**pinned("alertmanager", "amtool")._asdict()), PINNED)


class Pinned(NamedTuple):
    """The programs of a release."""

    alertmanager: Path
    amtool: Path


def pinned(*names: str) -> Pinned:
    """Of the release in the compose file, kept for the next time. Skips where it cannot be downloaded."""
    found = re.search(r"prom/alertmanager:v([\d.]+)", (REPOSITORY / "docker-compose.yml").read_text())
    assert found
    folder = REPOSITORY / ".tools" / "pinned"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if not (kept := list(folder.glob(f"alertmanager-{found[1]}.*"))):
            release.install("alertmanager", found[1], list(names), folder)
            kept = list(folder.glob(f"alertmanager-{found[1]}.*"))
    except requests.RequestException:
        pytest.skip(f"Alertmanager {found[1]} cannot be downloaded from here")
    return Pinned(*(kept[0] / name for name in names))


def passes(programs: Tools, parts: Iterable[str]) -> None:
    """These tests pass on these programs."""
    path = os.pathsep.join((str(programs.prometheus.parent), str(programs.alertmanager.parent), os.environ["PATH"]))
    assert [shutil.which(program.name, path=path) for program in programs] == [str(program) for program in programs]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *parts]
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
