"""One Prometheus with the shipped configuration and rules, watching so many machines: what each rule group costs."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests
import yaml

from tests.conftest import REPOSITORY
from tests.scale import fleet, history
from tests.scale.fleet import Line
from tests.scale.history import Told
from tests.scale.serving import Pages, serving
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden.stack import version

Say = Callable[[str], None]
_GROUP = re.compile(r'prometheus_rule_group_(\w+)\{rule_group="[^"]*;([^"]+)"\} (\S+)\n')
_OWN = ("prometheus_tsdb_head_series", "process_resident_memory_bytes", "process_cpu_seconds_total")
_JOBS = ("trainwarden", "trainwarden-receiver")


class Group(NamedTuple):
    """A rule group."""

    rules: int
    interval: float
    """Seconds between two evaluations."""
    took: list[float]
    """Seconds that each evaluation took."""


class Measured(NamedTuple):
    """What was found at one size."""

    machines: int
    prometheus: str
    """Its version."""
    inputs: int
    """Series that the machines' pages hold, all together."""
    series: float
    """Series in Prometheus' head, its own recordings and alerts among them."""
    resident_bytes: float
    cores: float
    """CPU seconds a second, ingestion included."""
    load: float
    """The machine's load average over a minute, at the end."""
    groups: dict[str, Group]
    alerts: dict[str, float]
    """How many of each stand."""
    slowest: list[tuple[str, float]]
    """The slowest rules and the seconds of their last evaluation."""


def measure(
    prometheus: Path,
    folder: Path,
    machines: int,
    evaluations: int,
    say: Say,
    most: float = 86400,
    every: int = history.EVERY,
) -> Measured:
    """Fill in the history, let every group evaluate so many times, then look at the whole for two intervals.

    ``most``: seconds of history; a window of the rules that is longer is not filled.
    ``every``: seconds between two scrapes and evaluations; only a test has it otherwise than shipped.
    """
    pages: Pages = {
        job: (lines, fleet.sick(lines)) for job, lines in zip(_JOBS, (fleet.exporter(), fleet.receiver()), strict=True)
    }
    begins = time.time()
    names = fleet.machines(machines)
    with serving(pages, begins) as served, _running(prometheus, folder) as address:
        up = [Line("up", (), 1.0)]
        told = [Told(job, [*well, *up], [*ill, *up]) for job, (well, ill) in pages.items()]
        recorded = fleet.recordings([line for well, _ in pages.values() for line in well])
        told.append(Told("", recorded, recorded, history.EVERY_RECORDING))
        pushed = history.push(address, told, names, begins, most)
        say(f"{machines} machines: {pushed / 1e6:.1f} million samples of history")
        _watch(folder, address, served, names, every)
        took = _evaluations(address, evaluations, say)
        inputs = machines * sum(len(well) for well, _ in pages.values())
        return _measured(prometheus, address, machines, inputs, took, 2 * every)


@contextmanager
def _running(prometheus: Path, folder: Path) -> Iterator[str]:
    """A Prometheus that has no target and no rule yet."""
    where = f"127.0.0.1:{free_port()}"
    (folder / "prometheus.yml").write_text("")
    command = [prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address={where}", "--web.enable-remote-write-receiver", "--web.enable-lifecycle"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: _ready(where), 60, "Prometheus is ready")
            yield f"http://{where}"
        finally:
            process.kill()


def _ready(where: str) -> bool:
    try:
        return requests.get(f"http://{where}/-/ready", timeout=2).ok
    except requests.RequestException:
        return False


def _watch(folder: Path, address: str, served: str, machines: list[str], every: int) -> None:
    """Put the shipped configuration and rules in force, with the fleet as its targets."""
    shutil.copytree(REPOSITORY / "prometheus", folder, dirs_exist_ok=True)
    for job, file in zip(_JOBS, ("exporter", "receiver"), strict=True):
        targets = [_target(served, machine, job) for machine in machines]
        (folder / "targets" / f"{file}.yml").write_text(yaml.safe_dump(targets))
    for other in set((folder / "targets").glob("*.yml")) - {
        folder / f"targets/{f}.yml" for f in ("exporter", "receiver")
    }:
        other.write_text("[]")
    content = yaml.safe_load((folder / "prometheus.yml").read_text())
    content["global"] |= {"scrape_interval": f"{every}s", "evaluation_interval": f"{every}s"}
    content["global"]["scrape_timeout"] = f"{min(every, 10)}s"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(content))
    reply = requests.post(f"{address}/-/reload", timeout=60)
    assert reply.ok, reply.text


def _target(served: str, machine: str, job: str) -> dict[str, Any]:
    return {"targets": [served], "labels": {"instance": machine, "__metrics_path__": f"/{machine}/{job}"}}


def _evaluations(address: str, count: int, say: Say) -> dict[str, Group]:
    """Every group's next evaluations, without its first: nothing is in memory then."""
    seen: dict[str, dict[float, float]] = {}
    facts: dict[str, Mapping[str, float]] = {}
    deadline = time.monotonic() + 120 + count * history.EVERY * 6
    while not facts or any(_still(count, seen.get(name, {}), fact) for name, fact in facts.items()):
        assert time.monotonic() < deadline, f"the groups have evaluated {[len(one) for one in seen.values()]} times"
        time.sleep(1)
        for name, fact in _facts(address).items():
            facts[name] = fact
            if fact["last_evaluation_timestamp_seconds"] > 0:
                seen.setdefault(name, {})[fact["last_evaluation_timestamp_seconds"]] = fact["last_duration_seconds"]
    say(f"every group was evaluated {count} times")
    return {
        name: Group(int(fact["rules"]), fact["interval_seconds"], _later(seen.get(name, {})))
        for name, fact in sorted(facts.items())
    }


def _later(took: Mapping[float, float]) -> list[float]:
    """Without the first, where there are others."""
    return [took[at] for at in sorted(took)][min(1, len(took) - 1) :] if took else []


def _still(count: int, seen: Mapping[float, float], fact: Mapping[str, float]) -> bool:
    """Whether more of the group is waited for; of one that is evaluated less often, the first evaluation will do."""
    return len(seen) < min(count, 1) if fact["interval_seconds"] > history.EVERY else len(seen) <= count


def _facts(address: str) -> dict[str, dict[str, float]]:
    """What Prometheus says of its rule groups, by name."""
    found: dict[str, dict[str, float]] = {}
    for what, group, value in _GROUP.findall(requests.get(f"{address}/metrics", timeout=30).text):
        found.setdefault(group, {})[what] = float(value)
    return found


def _own(address: str) -> dict[str, float]:
    text = requests.get(f"{address}/metrics", timeout=30).text
    return {name: float(re.findall(rf"(?m)^{name} (\S+)$", text)[0]) for name in _OWN}


def _measured(
    prometheus: Path, address: str, machines: int, inputs: int, groups: dict[str, Group], settle: float
) -> Measured:
    before, began = _own(address), time.monotonic()
    time.sleep(settle)
    after, load = _own(address), os.getloadavg()[0]
    spent = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return Measured(
        machines,
        ".".join(map(str, version.of_binary(prometheus, "prometheus") or ())),
        inputs,
        after["prometheus_tsdb_head_series"],
        after["process_resident_memory_bytes"],
        spent / (time.monotonic() - began),
        load,
        groups,
        _standing(address),
        _slowest(address),
    )


def _standing(address: str) -> dict[str, float]:
    asked = {"query": 'count by (alertname) (ALERTS{alertstate="firing"})'}
    reply = requests.get(f"{address}/api/v1/query", params=asked, timeout=60).json()
    return {row["metric"]["alertname"]: float(row["value"][1]) for row in reply["data"]["result"]}


def _slowest(address: str, count: int = 8) -> list[tuple[str, float]]:
    data = requests.get(f"{address}/api/v1/rules", timeout=60).json()["data"]
    rules = [rule for group in data["groups"] for rule in group["rules"]]
    told = [
        (f"{rule['name']} {rule.get('labels', {}).get('severity', '')}".strip(), rule["evaluationTime"])
        for rule in rules
    ]
    return sorted(told, key=lambda one: -one[1])[:count]
