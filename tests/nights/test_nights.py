"""The recorded nights are the told ones, and promtool finds in them what the golden table says, minute by minute."""

import subprocess
from pathlib import Path

import pytest

from tests.nights import recording, replay
from tests.nights.told import NIGHTS, Told
from tests.rules import exported
from tests.rules.promtool import Stands
from trainwarden.stack.tools import Tools

TABLE = replay.table()
EVERY = [pytest.param(told, id=told.name) for told in NIGHTS]
HEALTHY = [pytest.param(told, id=told.name) for told in NIGHTS if told.healthy]


@pytest.mark.parametrize("told", EVERY)
def test_the_recording_is_of_the_night_as_it_is_told(told: Told) -> None:
    assert recording.read(told.name) == recording.openmetrics(told), "run `make golden docs` and look at the difference"


@pytest.mark.parametrize("told", EVERY)
def test_these_alerts_stand_at_each_minute_and_no_other(told: Told, tools: Tools, tmp_path: Path) -> None:
    replay.hold(tools.promtool, tmp_path, told.name, TABLE[told.name])


def test_every_night_is_in_the_table() -> None:
    assert list(TABLE) == [told.name for told in NIGHTS]


def test_two_nights_are_healthy() -> None:
    assert len(HEALTHY) == 2


@pytest.mark.parametrize("told", HEALTHY)
def test_in_a_healthy_night_nothing_stands_above_info(told: Told) -> None:
    assert [one for one in TABLE[told.name] if one.severity != "info"] == []


def test_an_alert_that_is_missing_from_the_table_is_noticed(tools: Tools, tmp_path: Path) -> None:
    without = [one for one in TABLE["hang-at-three"] if one.alert != "TrainwardenRunHung"]
    with pytest.raises(AssertionError, match="TrainwardenRunHung"):
        replay.hold(tools.promtool, tmp_path, "hang-at-three", without)


def test_an_alert_that_ends_earlier_than_the_table_says_is_noticed(tools: Tools, tmp_path: Path) -> None:
    later = [one._replace(until=(one.until or 0) + 3) for one in TABLE["hang-at-three"]]
    with pytest.raises(AssertionError, match="TrainwardenRunHung"):
        replay.hold(tools.promtool, tmp_path, "hang-at-three", later)


def test_the_run_that_died_calls_for_a_restart_from_its_last_minute_on() -> None:
    (crashed,) = _of("died-in-epoch-4", "TrainwardenRunCrashed")
    assert (crashed.since, crashed.until) == (5 + 6.5 * 60, None)


def test_a_leak_is_told_of_long_before_the_machine_swaps() -> None:
    first = min(one.since for one in _of("leak-into-swap", "TrainwardenMemoryHigh"))
    swaps = min(one.since for one in _of("leak-into-swap", "TrainwardenSwapHigh"))
    assert swaps - first > 60


def test_the_hang_is_named_within_a_quarter_of_an_hour_and_only_the_generation_that_hung() -> None:
    (hung,) = _of("hang-at-three", "TrainwardenRunHung")
    assert 0 < hung.since - 270 <= 15
    assert dict(hung.labels)["generation"] == "1"


def test_the_run_that_died_was_warned_of_before() -> None:
    (warned,) = _of("died-in-epoch-4", "TrainwardenRunLongWithGradientCheckpointing")
    (died,) = _of("died-in-epoch-4", "TrainwardenRunCudaUnknownError")
    assert died.since - warned.since >= 20


def test_the_recovery_of_the_hang_is_told() -> None:
    (recovered,) = _of("hang-at-three", "TrainwardenRunRecovered")
    assert recovered.since > max(one.since for one in _of("hang-at-three", "TrainwardenRunRestarting"))


@pytest.mark.parametrize("told", EVERY)
def test_its_series_are_those_that_are_exported(told: Told) -> None:
    recorded = {exported.name_and_labels(series) for series in recording.replayed(recording.read(told.name))}
    assert recorded <= exported.series()


def test_prometheus_takes_a_recording_in(tools: Tools, tmp_path: Path) -> None:
    (tmp_path / "night.om").write_text(recording.read("healthy-balanced"))
    command = [tools.promtool, "tsdb", "create-blocks-from", "openmetrics", tmp_path / "night.om", tmp_path / "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "data").glob("*/meta.json"))


def _of(night: str, alert: str) -> list[Stands]:
    return [one for one in TABLE[night] if one.alert == alert]
