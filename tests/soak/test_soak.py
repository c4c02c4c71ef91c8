"""Ten thousand scrapes with faults that come and go: memory, threads and open files end where they were early on."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.soak.faults import CYCLE, Faults
from tests.support.hangfs import HangingFolder
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from tests.web.exporter import SCRAPE_TIMEOUT, Exporter
from trainwarden import system

SCRAPES = 10_000
SETTLED = 2_000
"""By then every fault has come and gone a few times, and all that is remembered once has been."""
GROWTH = 1 << 20
"""Bytes by which the last thousand scrapes' memory may lie above that after ``SETTLED``: 0.1 kB a scrape."""


class Cost(NamedTuple):
    """What the exporter held at one healthy moment."""

    rss_bytes: int
    threads: int
    files: int


@pytest.fixture
def exporter(nvml: FakeDriver, hanging: HangingFolder, state_home: Path) -> Iterator[Exporter]:
    nvml.resize(2)
    exporter = Exporter({**nvml.environment(), **hanging.environment()})
    yield exporter
    hanging.answer()
    exporter.close()


@pytest.mark.heavy
@pytest.mark.timeout(600)
def test_ten_thousand_scrapes_leave_nothing_behind(
    exporter: Exporter, nvml: FakeDriver, hanging: HangingFolder, tmp_path: Path
) -> None:
    faults = Faults(nvml, hanging, tmp_path / "models")
    faults.train("stays", tmp_path / "models/stays")
    faults.train("hangs", hanging.path / "models")
    connection = http.client.HTTPConnection(urlsplit(exporter.url).netloc, timeout=SCRAPE_TIMEOUT)
    failed: set[bytes] = set()
    costs: dict[int, Cost] = {}
    for scrape in range(1, SCRAPES + 1):
        faults.before(scrape)
        faults.step("stays", scrape)
        body = _scrape(connection)
        failed |= _failing(body)
        assert b'trainwarden_run_step{run="stays"} %d.0\n' % scrape in body, "what does not fail is fresh"
        if scrape % CYCLE == 0:
            wait_until(lambda: not _failing(_scrape(connection)), SCRAPE_TIMEOUT, "everything well again")
            costs[scrape] = _cost(exporter.process.pid)
    assert failed == {b"gpu", b"runs", b"checkpoints"}, "every fault was felt"
    _check(costs)


def _scrape(connection: http.client.HTTPConnection) -> bytes:
    """Read anew each time: the cycles of faults are shorter than a reading of the GPUs is shared."""
    connection.request("GET", "/metrics", headers={"Cache-Control": "no-cache"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200
    return body


def _failing(body: bytes) -> set[bytes]:
    lines = (line for line in body.splitlines() if line.startswith(b"trainwarden_collector_success{"))
    return {line.split(b'"')[1] for line in lines if line.endswith(b" 0.0")}


def _cost(pid: int) -> Cost:
    stat = system.read_stat(pid)
    assert stat is not None
    return Cost(stat.rss_bytes, stat.threads, len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _check(costs: dict[int, Cost]) -> None:
    early = [cost for scrape, cost in costs.items() if SETTLED <= scrape < SETTLED + 1_000]
    late = [cost for scrape, cost in costs.items() if scrape > SCRAPES - 1_000]
    before, after = (mean(cost.rss_bytes for cost in some) for some in (early, late))
    print(
        f"memory {before / 1e6:.2f} MB, then {after / 1e6:.2f} MB; {late[-1].threads} threads, {late[-1].files} files"
    )
    assert after - before < GROWTH, f"memory grew: {[cost.rss_bytes for cost in costs.values()]}"
    assert max(cost.threads for cost in late) <= max(cost.threads for cost in early)
    assert max(cost.files for cost in late) <= max(cost.files for cost in early)
