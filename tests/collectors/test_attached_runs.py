"""An attached run as the exporter shows it: what is not known of it is absent, so that no alert can speak of it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.collectors.samples import NOW, progress, spec, state, values, write
from trainwarden import system
from trainwarden.collectors.runs import Run, Runs, families
from trainwarden.model import Identity, Phase
from trainwarden.runs.attendance import SUPERVISOR_LOCK
from trainwarden.runs.identity import identify
from trainwarden.supervise.detach import lock

ATTACHED = structs.replace(spec(), attached=True)
LATER = NOW + 600


def read(root: Path, now: float = NOW) -> Run:
    return Runs(root, keep_ended=86400).read(now, system.boot_id()).runs[0]


def told(run: Run) -> dict[str, dict[str, float]]:
    return values(families([run], {}))


@pytest.fixture
def training() -> Iterator[Identity]:
    child = subprocess.Popen(["sleep", "500"])
    found = identify(child.pid)
    assert found is not None
    yield found
    child.kill()
    child.wait()


def phases(run: Run) -> set[float]:
    return {value for key, value in told(run)["trainwarden_run_phase"].items() if "luca" in key}


def test_one_whose_output_nobody_reads_is_up_and_in_no_phase(tmp_path: Path, training: Identity) -> None:
    write(tmp_path, ATTACHED, state(training=training), progress(phase=Phase.STARTING, step=None))
    run = read(tmp_path)
    assert (run.up, run.phase, run.phase_since, run.progress) == (True, None, None, None)
    series = told(run)
    assert phases(run) == {0.0}
    assert "trainwarden_run_phase_start_timestamp_seconds" not in series
    assert "trainwarden_run_steps_total" not in series
    assert "trainwarden_run_last_step_timestamp_seconds" not in series


def test_one_whose_output_is_read_is_shown_like_any_other(tmp_path: Path, training: Identity) -> None:
    write(tmp_path, ATTACHED, state(training=training), progress())
    run = read(tmp_path)
    assert (run.phase, run.phase_since) == (Phase.TRAINING, NOW - 30)
    assert all("observer" in labels for labels in told(run)["trainwarden_run_info"])


def test_one_whose_observer_died_is_up_and_nothing_else_is_known(tmp_path: Path, training: Identity) -> None:
    write(tmp_path, ATTACHED, state(training=training), progress(errors={"nccl": 2}))
    run = read(tmp_path, LATER)
    assert (run.up, run.phase, run.progress, run.errors["nccl"]) == (True, None, None, 2)


def test_one_that_vanished_while_nobody_watched_has_failed(tmp_path: Path, training: Identity) -> None:
    gone = structs.replace(training, start_time=training.start_time - 1)
    write(tmp_path, ATTACHED, state(training=gone), progress())
    run = read(tmp_path, LATER)
    assert (run.up, run.phase) == (False, Phase.FAILED)


def test_one_of_another_pid_namespace_is_not_called_dead(tmp_path: Path, training: Identity) -> None:
    elsewhere = structs.replace(training, pid_namespace=training.pid_namespace + 1, start_time=1)
    write(tmp_path, ATTACHED, state(training=elsewhere), progress())
    run = read(tmp_path, LATER)
    assert (run.up, run.phase) == (True, None)


def test_one_that_went_down_with_the_machine_has_failed(tmp_path: Path, training: Identity) -> None:
    before = structs.replace(training, boot_id="another")
    write(tmp_path, ATTACHED, state(training=before), progress())
    assert read(tmp_path).phase is Phase.FAILED


def test_an_observer_that_is_late_with_its_beat_is_still_believed(tmp_path: Path, training: Identity) -> None:
    write(tmp_path, ATTACHED, state(training=training), progress())
    with lock(tmp_path / "luca" / SUPERVISOR_LOCK):
        assert read(tmp_path, LATER).phase is Phase.TRAINING


def test_a_supervised_run_that_starts_is_in_phase_starting(tmp_path: Path, training: Identity) -> None:
    write(tmp_path, spec(), state(training=training), progress(phase=Phase.STARTING, step=None))
    assert read(tmp_path).phase is Phase.STARTING
