"""What is judged, by whose thresholds, and when it is not."""

import os
import time
from pathlib import Path

import pytest

from tests.checkpoints.making import make_state
from tests.collectors.samples import progress, state
from tests.status.conftest import GIB, World, living
from trainwarden import config as configuration
from trainwarden.model import Ended, Outcome, Phase, StepDurations
from trainwarden.status import lookout
from trainwarden.status.report import Level


def configured(**raw: object) -> configuration.Config:
    return configuration.parse(raw, "test")


def test_a_calm_machine_is_safe(world: World) -> None:
    report = world.look()
    assert (report.level, report.runs, report.faults) == (Level.SAFE, {}, [])
    assert {signal.signal for signal in report.machine.signals} == {
        "memory_used_ratio",
        "memory_available_bytes",
        "swap_used_bytes",
        "gpu_temperature_celsius",
        "gpu_memory_used_ratio",
        "gpu_utilization_ratio",
    }


@pytest.mark.parametrize(
    ("available", "level"), [(20, Level.SAFE), (8, Level.WARNING), (4, Level.DANGER)], ids=["safe", "warning", "danger"]
)
def test_ram(world: World, available: int, level: Level) -> None:
    world.host["memory_available"] = available * GIB
    report = world.look()
    assert (report.level, report.machine.level) == (level, level)


def test_the_machines_own_numbers_decide(world: World) -> None:
    assert world.signal("gpu_temperature_celsius").level is Level.SAFE
    world.config = configured(thresholds={"gpu_temperature_celsius": {"warning": 40}})
    assert world.signal("gpu_temperature_celsius").level is Level.WARNING
    assert world.signal("gpu_temperature_celsius").limits == {"warning": 40, "danger": 85}


def test_the_runs_own_numbers_decide(world: World) -> None:
    world.run()
    assert world.signal("gpu_utilization_ratio").level is Level.SAFE
    world.run(thresholds={"gpu_utilization_ratio": {"target": 0.995}})
    found = world.signal("gpu_utilization_ratio")
    assert (found.level, found.run, found.limits["target"]) == (Level.INFO, "luca", 0.995)


def test_the_runs_profile_decides(world: World) -> None:
    assert world.card
    world.card["memory_used_bytes"] = 80
    world.run()
    assert world.signal("gpu_memory_used_ratio").level is Level.WARNING
    world.run(profile="conservative")
    assert world.signal("gpu_memory_used_ratio").level is Level.SAFE


def test_the_gpus_use_is_not_judged_while_no_run_trains(world: World) -> None:
    assert world.card
    world.card |= {"memory_used_bytes": 1, "utilization_ratio": 0.0}
    now = time.time()
    alive = state(training=living(), supervisor=living(), beat_at=now, started_at=now)
    world.run("luca", alive, progress(phase=Phase.CACHING, phase_since=now, beat_at=now))
    for name in ("gpu_memory_used_ratio", "gpu_utilization_ratio"):
        assert world.signal(name).level is None
    assert world.look().level is Level.SAFE


def test_two_runs_on_one_card_each_judge_it(world: World) -> None:
    world.run("luca")
    world.run("mia", thresholds={"gpu_utilization_ratio": {"target": 0.995}})
    found = {s.run: s.level for s in world.look().machine.signals if s.signal == "gpu_utilization_ratio"}
    assert found == {"luca": Level.SAFE, "mia": Level.INFO}


def test_above_80_percent_of_ram_the_guides_advice_is_given_to_who_trains(world: World) -> None:
    world.host["memory_available"] = 5.5 * GIB
    assert world.signal("memory_used_ratio").note == ""
    world.run()
    assert "lower configuration" in world.signal("memory_used_ratio").note


def test_a_machine_without_a_gpu_or_swap_tells_of_none(world: World) -> None:
    world.card = None
    world.host["swap_total"] = 0
    report = world.look()
    assert {signal.signal for signal in report.machine.signals} == {"memory_used_ratio", "memory_available_bytes"}
    assert (report.machine.gpus, report.faults) == ([], [])


def test_a_lost_gpu_is_a_danger_and_tells_no_numbers(world: World) -> None:
    world.card = {"up": False}
    report = world.look()
    assert (report.machine.level, report.machine.gpus[0].up) == (Level.DANGER, False)
    assert not any(signal.gpu for signal in report.machine.signals)


def test_a_driver_that_is_slow_to_open_is_waited_for_and_one_that_hangs_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.late = 3
    assert [card.up for card in world.look().machine.gpus] == [True]
    monkeypatch.setattr(lookout, "PATIENCE_SECONDS", 0.3)
    world.late = 1_000_000
    report = world.look()
    assert [fault.fault for fault in report.faults] == ["the NVIDIA driver has not answered"]
    assert report.machine.gpus == []


def hanging(world: World, *, step_age: float, saved_age: float, folder: Path) -> None:
    now = time.time()
    make_state(folder / "luca-000002-state", 2, now - saved_age)
    alive = state(training=living(), supervisor=living(), beat_at=now, started_at=now - 20_000)
    durations = StepDurations(counts=[0] * 15, sum=10_000.0)
    steps = progress(beat_at=now, phase_since=now - 15_000, last_step_at=now - step_age, durations=durations)
    world.run("luca", alive, steps, checkpoints=str(folder), output_name="luca")


@pytest.mark.parametrize(
    ("step_age", "saved_age", "use", "level", "hung"),
    [
        (700, 2000, 0.05, Level.DANGER, True),
        (700, 2000, 0.06, Level.DANGER, False),  # stalled: the GPU spins
        (700, 1700, 0.0, Level.DANGER, False),  # stalled: saved a moment ago
        (20, 2000, 0.0, Level.SAFE, False),  # between two epochs
        (1, 6000, 0.99, Level.SAFE, False),  # a checkpoint's age alone is no hang
    ],
)
def test_hung_is_the_guides_conjunction(
    world: World, tmp_path: Path, step_age: float, saved_age: float, use: float, level: Level, hung: bool
) -> None:
    assert world.card
    world.card["utilization_ratio"] = use
    hanging(world, step_age=step_age, saved_age=saved_age, folder=tmp_path / "models")
    found = world.run_signal("step_age_seconds")
    assert (found.level, "hung" in found.note) == (level, hung)


def test_an_overdue_checkpoint_is_a_warning(world: World, tmp_path: Path) -> None:
    hanging(world, step_age=1, saved_age=6400, folder=tmp_path / "models")
    assert world.run_signal("checkpoint_age_seconds").level is Level.WARNING


def test_a_damaged_checkpoint_is_a_danger_where_it_is_the_only_one(world: World, tmp_path: Path) -> None:
    hanging(world, step_age=1, saved_age=100, folder=tmp_path / "models")
    damaged = tmp_path / "models/luca-000002-state/model.safetensors"
    damaged.write_bytes(b"x")
    os.utime(damaged, (time.time() - 100,) * 2)
    run = world.look().runs["luca"]
    assert run.level is Level.DANGER
    assert run.checkpoints[0].verdict == "invalid"
    assert run.checkpoints[0].reason


def test_a_crashed_run_is_a_danger_and_a_finished_one_is_not(world: World) -> None:
    now = time.time()
    for outcome, code, level in ((Outcome.CRASHED, 1, Level.DANGER), (Outcome.FINISHED, 0, Level.SAFE)):
        ended = Ended(outcome, now - 60, exit_code=code, reason="It said so.")
        world.run("luca", state(training=living(), open=False, ended=ended, beat_at=now - 60))
        run = world.look().runs["luca"]
        assert (run.level, run.live, run.exit_code, run.ended_because) == (level, False, code, "It said so.")
