"""A training that dies: of a signal from outside, again and again, or by its user's hand."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.night import FIRING_TIME, Night, Run, night
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden.model import Outcome
from trainwarden.stack.tools import Tools

GPUS = {"killed": 0, "loop": 1, "terminated": 2, "interrupted": 3, "orphaned": 4, "survivor": 5, "large": 6, "pane": 7}
SERVER = f"trainwarden-night-{os.getpid()}"
"""Of tmux, this night's own."""
EXTRA: dict[str, dict[str, Any]] = {
    "large": {"adapt": "guide"},
    "pane": {"launcher": {"tmux": {"server": SERVER}}},
}
SETTINGS = {"max_train_epochs": 8, "steps_per_epoch": 10, "save_every_n_epochs": 1}


@pytest.fixture(scope="module")
def watch(folder: Path, tools: Tools, driver: FakeDriver) -> Iterator[Night]:
    runs = {name: {"gpus": [gpu], **EXTRA.get(name, {})} for name, gpu in GPUS.items()}
    with night(folder, tools, driver, runs) as watch:
        yield watch
    subprocess.run(["tmux", "-L", SERVER, "kill-server"], capture_output=True, check=False, timeout=10)


def at_step(run: Run, step: int) -> Run:
    wait_until(lambda: run.step() >= step, 60, f"{run.name} is at step {step}")
    return run


def test_a_training_that_is_killed_is_resumed_once_and_ends_as_if_nothing_had_been(
    watch: Night, undisturbed: bytes
) -> None:
    run = at_step(watch.launch("killed", **SETTINGS), 45)
    os.kill(run.training_pid(), signal.SIGKILL)
    newest = max(path.name for path in run.checkpoints.glob("killed-0*-state"))
    assert run.exit_code(90) == 0
    assert run.generation() == 2
    assert [Path(entry["checkpoint"]).name for entry in run.ledger("launched")] == [newest]
    assert (run.checkpoints / "killed.safetensors").read_bytes() == undisturbed
    recovered = 'ALERTS{alertname="TrainwardenRunRecovered",alertstate="firing",run="killed"}'
    wait_until(lambda: watch.query(recovered), 60, "people are told that it trains on")


def test_a_training_in_tmux_is_resumed_in_its_pane_and_ends_as_if_nothing_had_been(
    watch: Night, undisturbed: bytes
) -> None:
    run = at_step(watch.launch("pane", **SETTINGS), 45)
    os.kill(run.training_pid(), signal.SIGKILL)
    assert run.exit_code(90) == 0
    assert (run.generation(), len(run.ledger("launched")), run.processes()) == (2, 1, [])
    listed = subprocess.run(["tmux", "-L", SERVER, "list-panes", "-a"], capture_output=True, check=True, text=True)
    assert len(listed.stdout.splitlines()) == 1
    assert (run.checkpoints / "pane.safetensors").read_bytes() == undisturbed


def test_a_crash_loop_ends_with_a_call(watch: Night) -> None:
    run = watch.launch("loop", **SETTINGS, **{"crash-at-step": 45, "crash-after-resume": True})
    alert = 'ALERTS{alertname="TrainwardenRestartGaveUp",alertstate="firing",run="loop"}'
    wait_until(lambda: watch.query(alert), 120, "a human is called")
    assert run.exit_code(30) == 1
    assert 1 <= len(run.ledger("launched")) <= 3
    assert run.processes() == []


def test_a_training_that_needs_too_much_steps_down_by_the_guide_and_ends_as_if_nothing_had_been(
    watch: Night, undisturbed: bytes, tmp_path: Path
) -> None:
    mine = tmp_path / "large.toml"
    mine.write_text("[training]\nvae_batch_size = 2  # mine\n")
    faults = {"config_file": mine, "oom-at-step": 45, "oom-above-vae-batch": 1}
    run = watch.launch("large", **SETTINGS, **faults)
    assert run.exit_code(120) == 0
    assert run.generation() == 2
    [chosen] = run.ledger("chosen")
    assert chosen["step_down"]["changes"] == ["vae_batch_size: 2 → 1"]
    adapted = 'trainwarden_run_adapted{run="large",generation="2",remedy="vram A",changes="vae_batch_size: 2 → 1"}'
    assert watch.metric("receiver", adapted) == 1
    assert watch.metric("receiver", 'trainwarden_run_recovery_step{run="large",generation="2"}') == 40
    assert mine.read_text() == "[training]\nvae_batch_size = 2  # mine\n"
    assert (run.checkpoints / "large.safetensors").read_bytes() == undisturbed


def test_a_run_that_its_user_stopped_stays_stopped(watch: Night) -> None:
    runs = [at_step(watch.launch(name, **SETTINGS), 25) for name in ("terminated", "interrupted")]
    os.kill(runs[0].training_pid(), signal.SIGTERM)
    os.kill(runs[1].viewer.pid, signal.SIGINT)
    for run in runs:
        assert run.exit_code(30) in (128 + signal.SIGTERM, 128 + signal.SIGINT)
        assert run.state.ended.outcome is Outcome.STOPPED_BY_USER
    began = watch.now()
    wait_until(lambda: watch.now() - began > FIRING_TIME, 60, "an alert would have fired")
    for run in runs:
        assert (run.generation(), run.ledger("launched"), run.processes()) == (1, [], [])
        assert watch.query(f'count_over_time(ALERTS{{run="{run.name}",action="restart"}}[5m])') == []


def test_the_training_lives_on_in_the_same_process_whoever_else_is_killed(watch: Night) -> None:
    run = at_step(watch.launch("survivor", **{**SETTINGS, "max_train_epochs": 40}), 5)
    pid = run.training_pid()

    def goes_on(killed: str) -> None:
        last = run.step()
        wait_until(lambda: run.step() > last + 5, 30, f"the steps are seen after the {killed} was killed")
        assert (run.training_pid(), run.generation()) == (pid, 1)

    run.viewer.kill()
    goes_on("viewer")
    supervisor = run.state.supervisor.pid
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: run.state.supervisor.pid != supervisor, 30, "the keeper starts a new supervisor")
    goes_on("supervisor")
    for service in ("receiver", "exporter"):
        watch.kill(service)
        goes_on(service)
        watch.start(service)
    wait_until(lambda: watch.query('trainwarden_run_up{run="survivor"} == 1'), 10, "Prometheus sees the run again")
    assert run.ledger("launched") == []


def test_a_keeper_that_is_killed_ends_as_a_crash_and_one_restart(watch: Night, undisturbed: bytes) -> None:
    run = at_step(watch.launch("orphaned", **SETTINGS), 45)
    first = run.processes(generation=1)
    os.kill(run.state.keeper.pid, signal.SIGKILL)
    wait_until(lambda: run.generation() == 2, 60, "it is launched again")
    assert not set(first) & set(run.processes())
    assert run.exit_code(60) == 0
    assert (run.generation(), run.processes()) == (2, [])
    assert len(run.ledger("launched")) == 1
    assert (run.checkpoints / "orphaned.safetensors").read_bytes() == undisturbed
