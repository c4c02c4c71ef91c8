"""What the receiver did for a run, told to people: each reason by one alert and no more."""

from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import Levels, Night, Run, caching, ended, key, starting, training
from tests.rules.surroundings import RECEIVER
from trainwarden import names
from trainwarden.model import Phase
from trainwarden.names import Family
from trainwarden.restart.states import NEEDS_HUMAN, CallReason, GiveUpReason
from trainwarden.stack.tools import Tools

TRAINS = Run([starting(2), caching(8), training(300)])  # launched at 5, in training from 15
LEDGER = (CallReason.LEDGER_UNREADABLE, CallReason.LEDGER_UNWRITABLE)


def _said(family: Family, *labels: str) -> str:
    return key(family, "lora", *labels, job=RECEIVER)


def _state(state: str, since: float, until: float) -> dict[str, Levels]:
    watching = (_said(names.RESTART_STATE, "watching"), ((5, 1), (since, 0), (until, 1)))
    return dict([(_said(names.RESTART_STATE, state), ((5, 0), (since, 1), (until, 0))), watching])


def _held(reason: str) -> dict[str, Levels]:
    """From 60 to 90."""
    return {**_state("held", 60, 90), _said(names.RESTART_HOLD, reason): ((60, 1), (90, None))}


def _budget(left: int, restarts: int) -> dict[str, Levels]:
    """From 60; filled up again at 80."""
    return {
        _said(names.RESTART_BUDGET): ((5, 3), (60, left), (80, 3)),
        _said(names.RESTARTS, "hung"): ((5, 0), (60, restarts)),
    }


def _of_run(alert: str, severity: str, since: float, until: float | None = None, **labels: str) -> Stands:
    return stands(alert, severity, since, until, run="lora", **labels)


def _called(reason: str) -> str:
    """The alert that calls for this reason."""
    if reason == GiveUpReason.WEDGED:
        return "TrainwardenRestartWedged"
    if reason in LEDGER:
        return "TrainwardenRestartLedger"
    return "TrainwardenRestartGaveUp" if reason in list(GiveUpReason) else "TrainwardenRestartNeedsHuman"


def _recovered(generation: str, since: float, until: float | None = None, step: int = 5132) -> dict[str, Levels]:
    """Of the newest recovery only, so until the next one."""
    told = {
        names.RECOVERY_TIME: since * 60,
        names.RECOVERY_STEP: step,
        names.RECOVERY_STEPS_LOST: 113,
        names.RECOVERY_TIME_LOST: 660,
    }
    end: Levels = [] if until is None else [(until, None)]
    return {_said(family, generation): [(since, value), *end] for family, value in told.items()}


def _restarts(*generations: tuple[float, float]) -> dict[str, Levels]:
    return {_said(names.RESTART_GENERATION): generations}


NOT_WATCHING: dict[str, Levels] = {_said(names.RESTART_STATE, "watching"): ((5, 1), (60, 0), (70, 1))}
WITHOUT_STEP = {k: levels for k, levels in _recovered("2", 70).items() if k != _said(names.RECOVERY_STEP, "2")}
DIES_AGAIN: dict[str, Levels] = {
    **_restarts((60, 2), (71, 3)),
    _said(names.RESTART_STATE, "probation"): ((5, 0), (60, 1), (70, 0), (71, 1), (75, 0)),
    **_recovered("2", 70, 75),
    **_recovered("3", 75),
}
"""Its restart trains on at 70, and at 71 the next one is under way, which trains on at 75."""

ADAPTED = {"generation": "2", "remedy": "vram A", "changes": "vae_batch_size: 2 → 1"}

NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    "a restart, from the stop to the proof": (
        Night(
            100,
            [TRAINS],
            also={
                **_state("stopping", 60, 62),
                **_state("probation", 62, 70),
                **_restarts((60, 2)),
                **_recovered("2", 70),
                **NOT_WATCHING,
            },
        ),
        [
            _of_run("TrainwardenRunRestarting", "info", 60, 70, generation="2"),
            _of_run("TrainwardenRunRecovered", "info", 70, 85, generation="2"),
        ],
    ),
    "a restart, and the next one five minutes later": (
        Night(100, [TRAINS], also=DIES_AGAIN),
        [
            _of_run("TrainwardenRunRestarting", "info", 60, 70, generation="2"),
            _of_run("TrainwardenRunRestarting", "info", 71, 75, generation="3"),
            _of_run("TrainwardenRunRecovered", "info", 70, 77, generation="2"),
            _of_run("TrainwardenRunRecovered", "info", 75, 90, generation="3"),
        ],
    ),
    "the next restart follows at once": (
        Night(80, [TRAINS], also={**_state("probation", 60, 70), **_restarts((60, 2), (65, 3))}),
        [
            _of_run("TrainwardenRunRestarting", "info", 60, 65, generation="2"),
            _of_run("TrainwardenRunRestarting", "info", 65, 70, generation="3"),
        ],
    ),
    "recovered, and the step is not known": (
        Night(100, [TRAINS], also=WITHOUT_STEP),
        [_of_run("TrainwardenRunRecovered", "info", 70, 85, generation="2")],
    ),
    "recovered far on": (
        Night(80, [TRAINS], also=_recovered("2", 70, step=1_234_567)),
        [_of_run("TrainwardenRunRecovered", "info", 70, generation="2")],
    ),
    "it stepped down by the guide": (
        Night(100, [TRAINS], also={_said(names.RUN_ADAPTED, *ADAPTED.values()): ((60, 1), (80, None))}),
        [_of_run("TrainwardenRunAdapted", "info", 60, 82, **ADAPTED)],
    ),
    "it is looked at, and let be": (Night(100, [TRAINS], also=_state("looking", 60, 61)), []),
    "held for half an hour": (
        Night(120, [TRAINS], also=_held("checkpoints_silent")),
        [_of_run("TrainwardenRestartHeld", "warning", 75, 90)],
    ),
    "held while it saves": (Night(100, [TRAINS], also=_state("held", 60, 66)), []),
    "held because its user wants it so": (Night(120, [TRAINS], also=_held("paused")), []),
    "one restart is left": (
        Night(120, [TRAINS], also=_budget(1, 2)),
        [_of_run("TrainwardenRestartBudgetLow", "warning", 61, 110)],
    ),
    "two restarts are left": (Night(120, [TRAINS], also=_budget(2, 1)), []),
    "a budget of one, and no restart yet": (Night(120, [TRAINS], also=_budget(1, 0)), []),
    "one is left to a run that is over": (
        Night(100, [Run([*TRAINS.chapters[:2], training(30), ended(Phase.FINISHED)])], also=_budget(1, 2)),
        [],
    ),
    **{
        f"needs a human: {reason.value}": (
            Night(60, [TRAINS], also={_said(names.NEEDS_HUMAN, reason.value): ((20, 1), (40, 0))}),
            [_of_run(_called(reason), "critical", 20, 40, reason=reason.value)],
        )
        for reason in NEEDS_HUMAN
    },
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
