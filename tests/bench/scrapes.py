"""The exporters side by side on one machine: how long a scrape takes, and what the process costs meanwhile."""

import http.client
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.client import Client, count_series
from tests.bench.processes import cpu_seconds, resident_bytes, started
from tests.support.ports import free_port
from tests.support.wait import wait_until


class Exporter(NamedTuple):
    """One that runs."""

    name: str
    pid: int
    port: int


Serving = AbstractContextManager[Exporter]


class Times(NamedTuple):
    """How long scrapes took, seconds."""

    p50: float
    p99: float


@contextmanager
def serving(
    name: str, command: Callable[[int], list[str]], environment: dict[str, str], folder: Path
) -> Iterator[Exporter]:
    """An exporter that answers; ``command`` is told the port."""
    port = free_port()
    with started(command(port), environment, folder, f"{name}.log") as process:
        try:
            wait_until(lambda: process.poll() is not None or _answers(port), 30, f"{name} answers")
            assert process.poll() is None, f"{name} has ended"
        except AssertionError as error:
            raise RuntimeError(f"{error}; it said: {(folder / f'{name}.log').read_text()[-2000:]}") from None
        yield Exporter(name, process.pid, port)


def ours(environment: dict[str, str], folder: Path, name: str = "trainwarden") -> Serving:
    """``trainwarden exporter``."""
    base = [sys.executable, "-m", "trainwarden", "exporter", "--web.listen-address"]
    return serving(name, lambda port: [*base, f"127.0.0.1:{port}"], environment, folder)


def _answers(port: int) -> bool:
    client = Client(port)
    try:
        return bool(client.scrape().body)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        client.close()


def body(exporter: Exporter) -> bytes:
    """Its answer as plain text."""
    client = Client(exporter.port)
    try:
        return client.scrape().body
    finally:
        client.close()


def latencies(
    exporters: Sequence[Exporter], rounds: int, *, gzip: bool = False, anew: bool = False
) -> dict[str, Times]:
    """Scrape each in turn, so that whatever else this machine does falls on all alike."""
    clients = {exporter.name: Client(exporter.port, gzip=gzip, anew=anew) for exporter in exporters}
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for turn in range(-5, rounds):
        for name, client in clients.items():
            seconds = client.scrape().seconds
            if turn >= 0:  # the first ones warm up
                taken[name].append(seconds)
    for client in clients.values():
        client.close()
    return {name: Times(median(seconds), percentile(seconds, 0.99)) for name, seconds in taken.items()}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below that share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cost(exporters: Sequence[Exporter], seconds: float, every: float | None) -> dict[str, float]:
    """CPU a second of wall clock of each, for ``seconds``, scraped so often as Prometheus does (None: not at all)."""
    clients = [Client(exporter.port, gzip=True) for exporter in exporters]
    before, began = [cpu_seconds(exporter.pid) for exporter in exporters], time.monotonic()
    due = began + (every or 0) / 2
    while (now := time.monotonic()) < began + seconds:
        if every is not None and now >= due:
            for client in clients:
                client.scrape()
            due += every
        time.sleep(min(0.05, max(0.0, due - now)) if every else 0.05)
    wall = time.monotonic() - began
    used = [cpu_seconds(exporter.pid) - cpu for exporter, cpu in zip(exporters, before, strict=True)]
    for client in clients:
        client.close()
    return {exporter.name: cpu / wall for exporter, cpu in zip(exporters, used, strict=True)}


def resident(exporters: Sequence[Exporter]) -> dict[str, int]:
    """Bytes in memory."""
    return {exporter.name: resident_bytes(exporter.pid) for exporter in exporters}


def series(exporters: Sequence[Exporter]) -> dict[str, int]:
    """How many series each answers with."""
    return {exporter.name: count_series(body(exporter)) for exporter in exporters}
