"""What a real exporter says while something of its machine hangs: nothing stale, everything else fresh, and in time."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import progress, spec, state, write
from tests.golden import kohya
from tests.support.hangfs import HangingFolder
from tests.support.nvml import GIB, FakeDriver, uuid_of
from tests.support.wait import wait_until
from tests.web.exporter import SCRAPE_TIMEOUT, Exporter, Samples
from trainwarden.model import Identity
from trainwarden.runs.folder import runs_root
from trainwarden.system import boot_id, pid_namespace

LAST_SUCCESS = "trainwarden_collector_last_success_timestamp_seconds"


@pytest.fixture
def exporter(nvml: FakeDriver, hanging: HangingFolder, state_home: Path) -> Iterator[Exporter]:
    exporter = Exporter({**nvml.environment(), **hanging.environment()})
    yield exporter
    hanging.answer()
    exporter.close()


def train(name: str, models: Path | None, root: Path | None = None, **facts: Any) -> None:
    """A run of this boot that saved once, an hour ago."""
    if models is not None and not models.exists():
        kohya.save(models, name, 2, time.time() - 3600)
    live = state(beat_at=time.time(), training=Identity(boot_id(), 1, 1, pid_namespace()))
    folder = None if models is None else str(models)
    write(root or runs_root(), spec(name, checkpoints=folder, output_name=name), live, progress(**facts))


def failing(found: Samples) -> list[str]:
    return [name for name, value in found["trainwarden_collector_success"].items() if not value]


def series_of(run: str, found: Samples) -> set[str]:
    return {name for name, values in found.items() if any(run in labels.split(",") for labels in values)}


def timed(exporter: Exporter) -> tuple[Samples, float]:
    began = time.monotonic()
    found = exporter.scrape()
    return found, time.monotonic() - began


def test_a_driver_that_hangs_leaves_everything_else_fresh_and_is_read_again_when_it_answers(
    nvml: FakeDriver, exporter: Exporter
) -> None:
    train("luca", None, step=1)
    before = exporter.scrape()
    assert before["trainwarden_gpu_utilization_ratio"] == {f"0,{uuid_of(0)}": 0.99}
    nvml.set(gpu=0, mode="hang")
    _, took = timed(exporter)
    assert took < SCRAPE_TIMEOUT
    train("luca", None, step=2)
    hung = exporter.scrape()
    assert failing(hung) == ["gpu"]
    assert hung["trainwarden_gpu_up"] == {f"0,{uuid_of(0)}": 0}
    assert "trainwarden_gpu_utilization_ratio" not in hung
    assert hung["trainwarden_collector_timeouts_total"]["gpu"] >= 2
    assert hung["trainwarden_run_step"] == {"luca": 2}
    assert hung["trainwarden_run_gpu"] == {f"0,luca,{uuid_of(0)}": 1}
    assert hung[LAST_SUCCESS]["gpu"] < hung[LAST_SUCCESS]["host"]
    nvml.set(gpu=0, mode="ok", utilization=50)
    again = wait_until(
        lambda: exporter.scrape().get("trainwarden_gpu_utilization_ratio"), 20, "the driver answers again"
    )
    assert set(again.values()) == {0.5}
    assert not failing(exporter.scrape())


def test_a_checkpoint_folder_that_hangs_takes_only_its_own_runs_checkpoints_away_and_comes_back(
    exporter: Exporter, hanging: HangingFolder, tmp_path: Path
) -> None:
    gone, here = hanging.path / "models", tmp_path / "models"
    train("gone", gone, step=1)
    train("here", here, step=1)
    before = wait_until(lambda: _both_verified(exporter), 20, "both runs' checkpoints")
    hanging.hang()
    _, took = timed(exporter)
    assert took < SCRAPE_TIMEOUT
    for name, models in (("gone", gone), ("here", here)):
        train(name, models, step=2)
    kohya.save(here, "here", 4, time.time() - 60)
    hung = exporter.scrape()
    lost = series_of("gone", before) - series_of("gone", hung)
    assert lost == {name for name in series_of("gone", before) if "checkpoint" in name} - {
        "trainwarden_checkpoint_folder_up",
        "trainwarden_checkpoint_saves_total",
        "trainwarden_run_threshold",
    }
    assert hung["trainwarden_checkpoint_folder_up"] == {"gone": 0, "here": 1}
    assert hung["trainwarden_checkpoints"]["here"] == 2
    assert hung["trainwarden_run_step"] == {"gone": 2, "here": 2}
    assert failing(hung) == ["checkpoints"]
    assert hung["trainwarden_collector_timeouts_total"]["checkpoints"] >= 2
    assert hung[LAST_SUCCESS]["checkpoints"] < hung[LAST_SUCCESS]["host"]
    hanging.answer()
    wait_until(lambda: _both_verified(exporter), 20, "both again")
    assert not failing(exporter.scrape())


def _both_verified(exporter: Exporter) -> Samples | None:
    found = exporter.scrape()
    valid = found.get("trainwarden_checkpoint_last_valid", {})
    return found if valid == {"gone": 1, "here": 1} else None


@pytest.mark.parametrize(
    ("hangs", "left", "fail"),
    [
        pytest.param("gone", {"here"}, ["runs"], id="one run's folder: only that run is gone"),
        pytest.param("", set(), ["runs", "checkpoints"], id="the folder of all runs"),
    ],
)
def test_a_run_folder_that_hangs_takes_its_runs_away_and_comes_back(
    nvml: FakeDriver, hanging: HangingFolder, state_home: Path, hangs: str, left: set[str], fail: list[str]
) -> None:
    there = hanging.moved(runs_root() / hangs)
    with closing(Exporter({**nvml.environment(), **there.environment()})) as exporter:
        for name in ("gone", "here"):
            train(name, None)
        nvml.set(gpu=0, processes=[(1, GIB)])
        before = exporter.scrape()
        assert before["trainwarden_run_up"] == {"gone": 1, "here": 1}
        assert before["trainwarden_gpu_process_memory_bytes"] == {f"0,,{uuid_of(0)}": GIB}
        there.hang()
        for _ in range(2):
            hung, took = timed(exporter)
            assert took < SCRAPE_TIMEOUT
            assert set(hung.get("trainwarden_run_up", {})) == left
            assert failing(hung) == fail
            assert hung["trainwarden_gpu_up"] == {f"0,{uuid_of(0)}": 1}
            assert "trainwarden_gpu_process_memory_bytes" not in hung, "whose it is cannot be told"
        there.answer()
        wait_until(lambda: len(exporter.scrape().get("trainwarden_run_up", {})) == 2, 20, "both again")
        assert not failing(exporter.scrape())


def test_all_hang_at_once_and_the_host_is_told_all_the_same(
    nvml: FakeDriver, exporter: Exporter, hanging: HangingFolder
) -> None:
    train("luca", hanging.path / "models")
    wait_until(lambda: exporter.scrape().get("trainwarden_checkpoint_last_valid"), 20, "the checkpoint")
    nvml.set(gpu=0, mode="hang")
    hanging.hang()
    for _ in range(2):
        hung, took = timed(exporter)
        assert took < SCRAPE_TIMEOUT
        assert failing(hung) == ["gpu", "checkpoints"]
        assert hung["trainwarden_host_memory_available_bytes"][""] > 0
    hanging.answer()
    nvml.set(gpu=0, mode="ok")
    wait_until(lambda: not failing(exporter.scrape()), 20, "all answer again")


def test_no_value_is_older_than_a_second_though_folders_hold_the_scrape_up(
    nvml: FakeDriver, hanging: HangingFolder, state_home: Path
) -> None:
    """The reading of the GPUs may be an earlier scrape's; it must not have grown old by the time of the answer."""
    gone = hanging.moved(runs_root() / "gone")
    with closing(Exporter({**nvml.environment(), **gone.environment()})) as exporter:
        for number in "12":
            train(f"gone{number}", None)
            train(f"here{number}", runs_root() / f"gone-models{number}")
        exporter.scrape(anew=False)
        nvml.set(gpu=0, temperature=81)
        changed = time.monotonic()
        gone.hang()
        wait_until(lambda: time.monotonic() - changed > 0.42, 5, "the reading has aged", every=0.005)
        found = exporter.scrape(anew=False)
        assert time.monotonic() - changed > 1, "the folders held it up"
        assert found["trainwarden_gpu_temperature_celsius"] == {f"0,gpu,{uuid_of(0)}": 81}
        gone.answer()
