"""trainwarden's exporter beside its peers and beside the floor, on one machine, in one run."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.bench import machine, scrapes
from tests.bench.bench import Bench
from tests.bench.programs import REPOSITORY
from tests.bench.report import Part, Target, number
from tests.bench.scrapes import Exporter
from tests.bench.tally import Tally
from tests.support.nvml import FakeDriver, build_library
from tests.support.wait import wait_until

_ANEW, _GZIP, _SHARED = "", ", gzip", ", close together"
"""Scrapes that each ask the driver; the same as Prometheus asks; and those that share one reading of the GPUs for half
a second, as ours does with what comes so close together."""
OURS, NVITOP, NODE, FLOOR = "trainwarden", "nvitop-exporter", "node exporter", "floor"
AGE = "oldest value served, s"
FINDINGS = "findings of promtool check metrics"

_NOT_OF_A_SCRAPE = ("nvmlInit", "nvmlShutdown", "nvmlErrorString", "nvmlEventSet")
_FRESH_SECONDS = 1.1
"""Between two scrapes that shall both ask the driver: nothing may be older than a second."""


def run(bench: Bench) -> Part:
    """Start all of them, measure them side by side, and compare."""
    library = build_library(bench.folder / "nvml")
    with ExitStack() as stack:
        driver, pids = stack.enter_context(machine.gpus(library, bench.folder))
        gpus = list(range(machine.GPUS))
        state = machine.state_home(bench.folder / "compare", 1, pids, gpus)
        bench.say("counting the calls that a scrape makes into the driver")
        plan = _plan(bench, library, {**driver.environment(), **state})
        exporters = [stack.enter_context(one) for one in _exporters(bench, driver, state, plan)]
        return _report(bench, driver, exporters, json.loads(plan.read_bytes())["calls"])


def _plan(bench: Bench, library: Path, environment: Mapping[str, str]) -> Path:
    """What the floor is to do: the calls of one of our scrapes, and the names of our series."""
    tally = Tally(library, bench.folder / "tally")
    rounds = 2 if bench.quick else 5
    with scrapes.ours({**environment, **tally.environment()}, bench.folder, "tallied") as exporter:
        before = tally.read()
        for _ in range(rounds):
            bench.sleep(_FRESH_SECONDS)
            text = scrapes.body(exporter).decode()
        made = tally.read() - before
    calls = {name: round(number / rounds) for name, number in made.items() if not name.startswith(_NOT_OF_A_SCRAPE)}
    names = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    plan = bench.folder / "plan.json"
    plan.write_text(json.dumps({"calls": calls, "names": names}))
    return plan


def _exporters(bench: Bench, driver: FakeDriver, state: dict[str, str], plan: Path) -> Iterator[scrapes.Serving]:
    fake = driver.environment()
    yield scrapes.ours({**fake, **state}, bench.folder)
    if nvitop := bench.programs.nvitop:
        command = [str(nvitop), "--bind-address", "127.0.0.1", "--port"]
        yield scrapes.serving(NVITOP, lambda port: [*command, str(port)], fake, bench.folder)
    if node := bench.programs.node:
        listen = "--web.listen-address=127.0.0.1"
        yield scrapes.serving(NODE, lambda port: [str(node), f"{listen}:{port}"], {}, bench.folder)
    floor = [sys.executable, "-m", "tests.bench.floor"]
    repository = {**fake, "PYTHONPATH": str(REPOSITORY)}
    yield scrapes.serving(FLOOR, lambda port: [*floor, str(port), str(plan)], repository, bench.folder)


def _report(bench: Bench, driver: FakeDriver, exporters: list[Exporter], calls: dict[str, int]) -> Part:
    found = {**_latencies(bench, exporters), **_costs(bench, exporters)}
    of_gpus = [exporter for exporter in exporters if exporter.name in (OURS, NVITOP)]
    found[AGE] = {exporter.name: _oldest(driver, exporter, 3 if bench.quick else 10) for exporter in of_gpus}
    found["RSS, MB"] = {name: size / 1024**2 for name, size in scrapes.resident(exporters).items()}
    found["series"] = scrapes.series(exporters)
    if promtool := bench.programs.promtool:
        found[FINDINGS] = {exporter.name: _findings(promtool, exporter) for exporter in exporters}
    columns = ("", *(exporter.name for exporter in exporters))
    rows = [(what, *(_cell(values.get(name)) for name in columns[1:])) for what, values in found.items()]
    title = f"{machine.GPUS} GPUs, {machine.CALL_MICROSECONDS} µs a call, one process each"
    notes = (f"Calls into the driver at a scrape of ours, and at one of the floor: {sum(calls.values())}.",)
    return Part(title, columns, rows, _targets(found), notes)


def _cell(value: float | None) -> str:
    return "" if value is None else number(value)


def _oldest(driver: FakeDriver, exporter: Exporter, rounds: int) -> float:
    """How old a temperature was at most that was still served: seconds until a new one was, the longest of some."""
    ages = []
    for celsius in range(60, 60 + rounds):
        changed = time.monotonic()
        driver.set(gpu=0, temperature=celsius)
        new = f"{exporter.name} serves {celsius} °C"
        wait_until(lambda celsius=celsius: _says(scrapes.body(exporter), celsius), 10, new, every=0.01)
        ages.append(time.monotonic() - changed)
    return max(ages)


def _says(body: bytes, celsius: int) -> bool:
    return any(b"temperature" in line and line.endswith(b" %d.0" % celsius) for line in body.splitlines())


def _latencies(bench: Bench, exporters: list[Exporter]) -> dict[str, Mapping[str, float]]:
    found: dict[str, Mapping[str, float]] = {}
    for how, often in ((_ANEW, 300), (_GZIP, 100), (_SHARED, 300)):
        rounds = often // 5 if bench.quick else often
        bench.say(f"scraping each {rounds} times, in turn{how}")
        times = scrapes.latencies(exporters, rounds, gzip=how == _GZIP, anew=how != _SHARED)
        found[f"scrape p50, ms{how}"] = {name: one.p50 * 1e3 for name, one in times.items()}
        found[f"scrape p99, ms{how}"] = {name: one.p99 * 1e3 for name, one in times.items()}
    return found


def _costs(bench: Bench, exporters: list[Exporter]) -> dict[str, Mapping[str, float]]:
    """CPU, in percent of a core."""
    found: dict[str, Mapping[str, float]] = {}
    for how, every, seconds in (("unscraped", None, 15), ("every 1 s", 1, 20), ("every 15 s", 15, 60)):
        bench.say(f"what each costs {how}")
        cost = scrapes.cost(exporters, seconds / 5 if bench.quick else seconds, every)
        found[f"CPU {how}, % of a core"] = {name: share * 100 for name, share in cost.items()}
    return found


def _findings(promtool: Path, exporter: Exporter) -> int:
    """What ``promtool check metrics`` has to say, a line each."""
    check = [promtool, "check", "metrics"]
    done = subprocess.run(check, input=scrapes.body(exporter), capture_output=True, check=False)
    return len((done.stdout + done.stderr).splitlines())


def _targets(found: Mapping[str, Mapping[str, float]]) -> list[Target]:
    targets = []
    cpu, rss = (found[what] for what in ("CPU every 15 s, % of a core", "RSS, MB"))
    p50s = [(how, found[f"scrape p50, ms{how}"]) for how in (_ANEW, _SHARED)]
    if NVITOP in cpu:
        targets += [
            *(Target(f"scrape p50 against {NVITOP}{how}", p50[OURS] / p50[NVITOP], 0.75, "×") for how, p50 in p50s),
            Target("CPU every 15 s against nvitop-exporter", cpu[OURS] / cpu[NVITOP], 0.25, "×"),
            Target("RSS against nvitop-exporter", rss[OURS] / rss[NVITOP], 1, "×"),
        ]
    targets += (Target(f"scrape p50 against the floor{how}", p50[OURS] / p50[FLOOR], 1.5, "×") for how, p50 in p50s)
    targets.append(Target(AGE, found[AGE][OURS], 1, "s"))
    if lint := found.get(FINDINGS):
        targets.append(Target(FINDINGS, lint[OURS], 0))
    return targets
