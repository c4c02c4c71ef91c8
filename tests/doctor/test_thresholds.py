"""`trainwarden thresholds`: the numbers of a real exporter, each with who decided it."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.collectors.samples import progress, spec, state, write
from tests.golden import kohya
from tests.web.exporter import Exporter
from trainwarden import guide, names, system
from trainwarden.chain.metrics import Exporter as Metrics
from trainwarden.cli import main
from trainwarden.model import Identity

CONFIGURATION = """
thresholds:
  swap_used_bytes: {warning: 1073741824}
  step_duration_seconds: {warning: 5}
runs:
  luca:
    thresholds:
      checkpoint_age_seconds: {hung: 2400}
  planned:
    profile: conservative
    thresholds:
      gpu_utilization_ratio: {target: 0.8}
"""


@pytest.fixture
def configuration(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three runs (overridden, conservative, slow by its own rhythm) and a machine that has its own numbers."""
    file = state_home.parent / "trainwarden.yml"
    file.write_text(CONFIGURATION)
    monkeypatch.setenv("TRAINWARDEN_CONFIG", str(file))
    now, me = time.time(), os.getpid()
    found = system.read_stat(me)
    assert found is not None
    living = Identity(system.boot_id(), me, found.start_time, system.pid_namespace())
    alive = {"beat_at": now, "started_at": now - 60, "training": living, "supervisor": living}
    root = state_home / "trainwarden/runs"
    write(root, spec("luca", thresholds={"checkpoint_age_seconds": {"hung": 1200}}), state(**alive))
    write(root, spec("calm", profile="conservative"), state(**alive))
    models = state_home.parent / "models"
    for epoch, ago in ((2, 20_000), (4, 10_000)):
        kohya.save(models, "slow", epoch, now - ago)
    slow = spec("slow", checkpoints=str(models), output_name="slow")
    write(root, slow, state(**alive), progress(median_step_seconds=60.0, beat_at=now))
    return file


@pytest.fixture
def exporter(configuration: Path) -> Iterator[Exporter]:
    exporter = Exporter(dict(os.environ))
    yield exporter
    exporter.close()


def thresholds(*options: str) -> Result:
    return CliRunner().invoke(main, ["thresholds", *options])


def printed(*options: str) -> dict[str, Any]:
    done = thresholds(*options, "--json")
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def row(rows: list[dict[str, Any]], signal: str, level: str) -> dict[str, Any]:
    (found,) = [row for row in rows if (row["signal"], row["level"]) == (signal, level)]
    return found


def test_the_numbers_are_those_of_a_real_exporter(exporter: Exporter) -> None:
    exported = Metrics(exporter.url + "/metrics").metrics()
    tables = printed()
    machine = {(r["signal"], r["level"]): r["value"] for r in tables["machine"]}
    assert machine == {(s.labels["signal"], s.labels["level"]): s.value for s in exported.find(names.THRESHOLD)}
    runs = {(run, r["signal"], r["level"]): r["value"] for run, rows in tables["runs"].items() for r in rows}
    every = exported.find(names.RUN_THRESHOLD)
    assert runs == {(s.labels["run"], s.labels["signal"], s.labels["level"]): s.value for s in every}
    assert tables["runs"].keys() == {"luca", "calm", "slow"}
    assert len(machine) == len(guide.MACHINE)
    assert len(runs) == 3 * len(guide.RUN)


def test_of_each_it_is_said_who_decided_it(configuration: Path) -> None:
    tables = printed()
    machine, runs = tables["machine"], tables["runs"]
    swap = row(machine, "swap_used_bytes", "warning")
    assert (swap["value"], swap["unit"], swap["source"]) == (1024**3, "bytes", "machine")
    assert row(machine, "swap_used_bytes", "danger")["where"] == "guide §1"
    assert row(runs["luca"], "checkpoint_age_seconds", "hung")["source"] == "run"
    assert row(runs["luca"], "step_duration_seconds", "warning")["source"] == "machine"
    assert row(runs["calm"], "gpu_memory_used_ratio", "low")["where"] == "profile conservative, guide §3"
    assert row(runs["slow"], "step_age_seconds", "stalled")["where"] == "20 × the run's median step of 60 s"
    assert row(runs["calm"], "phase_age_seconds", "warning")["source"] == "trainwarden"
    overdue = row(runs["slow"], "checkpoint_age_seconds", "overdue")
    assert (overdue["value"], overdue["source"]) == (15_000, "rhythm")
    assert overdue["where"] == "1.5 × the 167 min between the run's own saves"


def test_people_read_them_in_human_units(configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = thresholds().stdout.splitlines()
    assert "this machine" in lines[0]
    (swap,) = [line for line in lines if "swap_used_bytes" in line and "warning" in line]
    assert "1 GiB" in swap
    assert "machine: thresholds in trainwarden.yml" in swap
    lines = thresholds("--run", "luca").stdout.splitlines()
    (hung,) = [line for line in lines if "checkpoint_age_seconds: hung" in line]
    assert "20 min" in hung
    assert "run: thresholds in run.json" in hung


def test_what_holds_only_from_the_next_launch_is_said(configuration: Path) -> None:
    assert thresholds("--run", "luca").stderr == (
        "note: run 'luca': runs.luca.thresholds.checkpoint_age_seconds.hung in trainwarden.yml (40 min) holds from the "
        "next launch on\n"
    )
    assert thresholds("--run", "calm").stderr == ""


def test_a_run_that_is_only_declared_is_shown_as_it_would_be(configuration: Path) -> None:
    done = thresholds("--run", "planned")
    assert "80 %" in done.stdout
    assert "73 %" in done.stdout
    assert done.stderr == "note: run 'planned' is not launched yet: so it would be\n"


def test_a_run_that_is_neither_is_one_sentence(configuration: Path) -> None:
    done = thresholds("--run", "lucca")
    assert done.exit_code == 1
    assert done.stderr.startswith("trainwarden: there is no run 'lucca' in ")
    assert done.stderr.endswith(" or trainwarden.yml; runs: calm, luca, planned, slow\n")


def test_what_one_writes_into_the_configuration_is_never_cut(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    printed, known = thresholds().stdout, (*guide.MACHINE, *guide.RUN)
    assert "…" not in printed
    assert {threshold.signal for threshold in known if f" {threshold.signal}: " not in printed} == set()
