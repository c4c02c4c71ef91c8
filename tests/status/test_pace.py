"""How long a step takes now, by what was watched and else by the run's median."""

from typing import Any

import pytest

from tests.collectors.samples import NOW, progress, spec, state
from trainwarden.collectors.runs import Run
from trainwarden.model import StepDurations
from trainwarden.status.pace import Paces


def at(steps: int, seconds: float, generation: int = 1) -> Run:
    durations = StepDurations(counts=[steps, *[0] * 14], sum=seconds)
    told = progress(generation=generation, durations=durations, median_step_seconds=2.5)
    facts: dict[str, Any] = {"phase": None, "phase_since": None, "errors": {}, "nonfinite_losses": 0, "writers": {}}
    return Run(name="luca", spec=spec(), state=state(generation=generation), progress=told, up=True, **facts)


def watched(*looks: tuple[float, Run]) -> float | None:
    paces = Paces()
    for seconds, run in looks:
        paces.look((run,), NOW + seconds)
    return paces.step_seconds(looks[-1][1])


def test_at_a_single_look_it_is_the_median() -> None:
    assert watched((0, at(100, 250))) == 2.5


def test_watched_for_a_minute_it_is_the_mean_of_what_was_watched() -> None:
    assert watched((0, at(100, 250)), (50, at(110, 300))) == 2.5
    assert watched((0, at(100, 250)), (60, at(110, 310))) == 6.0


def test_what_lies_longer_back_than_ten_minutes_does_not_count() -> None:
    assert watched((0, at(100, 250)), (300, at(200, 500)), (720, at(270, 920))) == 6.0


def test_a_new_launch_begins_anew() -> None:
    assert watched((0, at(100, 250)), (60, at(5, 30, generation=2))) == 2.5
    assert watched((0, at(100, 250)), (60, at(5, 30))) == 2.5


def test_of_a_run_that_took_no_step_meanwhile_it_is_the_median() -> None:
    assert watched((0, at(100, 250)), (300, at(100, 250))) == pytest.approx(2.5)
