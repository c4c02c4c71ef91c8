"""The other alerts about a run and its checkpoints: each stands when it should, and ends."""

from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import Night, Run, caching, ended, key, saving, starting, training
from trainwarden import names
from trainwarden.model import Phase
from trainwarden.stack.tools import Tools

START = [starting(2), caching(8)]  # launched at 5, in training from 15
TRAINS = [*START, training(300)]
CRASHES_AT_60 = [*START, training(45), ended(Phase.FAILED)]
RUN = "lora"
BEATS_UNTIL_40 = [(tick / 2, tick * 30) for tick in range(10, 81)]
BEATS_FROM_60 = [(tick / 2, tick * 30) for tick in range(120, 181)]


def _of_run(alert: str, severity: str, since: float, until: float | None = None, **labels: str) -> Stands:
    return stands(alert, severity, since, until, run=RUN, **labels)


def _of_gpu(alert: str, severity: str, since: float, until: float | None = None) -> Stands:
    return _of_run(alert, severity, since, until, gpu="0")


def _crashed(since: float, until: float | None = None, generation: int = 1) -> Stands:
    labels = {"action": "restart", "generation": str(generation)}
    return _of_run("TrainwardenRunCrashed", "critical", since, until, **labels)


NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    "crashed": (Night(90, [Run(CRASHES_AT_60)]), [_crashed(60)]),
    "crashed, and scrapes are missed": (Night(90, [Run(CRASHES_AT_60)], missed_every=4), [_crashed(60)]),
    "crashed, relaunched at 70, and crashed again": (
        Night(120, [Run([*START, training(45), ended(Phase.FAILED, 10), *START, training(12), ended(Phase.FAILED)])]),
        [_crashed(60, 70), _crashed(92, generation=2)],
    ),
    "the second launch crashes at once": (
        Night(90, [Run([*START, training(45), ended(Phase.FAILED, 10), starting(1), ended(Phase.FAILED)])]),
        [_crashed(60, 70), _crashed(71, generation=2)],
    ),
    "a crash of the day before yesterday stands no more": (
        Night(30, [Run([starting(0), ended(Phase.FAILED)], 0)], also={key(names.RUN_PHASE_START, RUN): ((0, -90000),)}),
        [],
    ),
    # The error is in the output at 60 and the run ends with it; after 15 minutes it is history.
    "out of memory, and the run ends of it": (
        Night(90, [Run([*START, training(45), ended(Phase.FAILED, out_of_memory=True)])]),
        [_crashed(60), _of_run("TrainwardenRunOutOfMemory", "critical", 60, 75)],
    ),
    "out of memory before the first scrape": (
        Night(40, [Run([starting(0.2), ended(Phase.FAILED, out_of_memory=True)])]),
        [_crashed(5.5), _of_run("TrainwardenRunOutOfMemory", "critical", 5.5, 20)],
    ),
    "an error of the first generation is not the second's": (
        Night(90, [Run([*START, training(15), ended(Phase.FAILED, 15, out_of_memory=True), *START, training(60)])]),
        [_crashed(30, 45), _of_run("TrainwardenRunOutOfMemory", "critical", 30.5, 45)],
    ),
    # From 40 to 80 a step takes 4 s: the ten minutes' mean is above 3 s from 44.4 to 85.6.
    "slow": (
        Night(120, [Run([*START, training(25), training(40, step=4.0), training(60)])]),
        [
            _of_run("TrainwardenRunSlow", "warning", 59.5, 115.5),
            # Above 1.5 times its median of 2.5 s from 48.9 to 81.1.
            _of_run("TrainwardenRunSlowing", "warning", 64, 111),
        ],
    ),
    "a step of 4 s is not slow in a conservative run": (
        Night(90, [Run([*START, training(90, step=4.0, vram=12.5)], profile="conservative")]),
        [],
    ),
    "above the VRAM band": (
        Night(90, [Run([*START, training(30), training(20, vram=16.1), training(60)])]),
        [_of_gpu("TrainwardenRunVramHigh", "warning", 53, 97)],
    ),
    "below the VRAM band, while it trains": (
        Night(90, [Run([*START, training(45, vram=14), ended(Phase.FINISHED)])]),
        [_of_gpu("TrainwardenRunVramLow", "warning", 28, 92)],
    ),
    "caching without end": (
        Night(90, [Run([starting(2), caching(70), training(60)])]),
        [_of_run("TrainwardenRunPhaseLong", "warning", 69, 77, phase="caching")],
    ),
    "nobody knows where it saves to": (
        Night(
            150,
            [Run([*START, training(125, saves_every=None)])],
            also={key(names.CHECKPOINT_FOLDER_UP, "lora"): ((0, None),)},
        ),
        [],
    ),
    # Nothing saved from the launch at 5 to 130; overdue after 105 minutes of which it stepped all since 15.
    "a checkpoint overdue": (
        Night(150, [Run([*START, training(115, saves_every=None), saving(1), training(60)])]),
        [_of_run("TrainwardenCheckpointOverdue", "warning", 125, 130)],
    ),
    "the newest checkpoint is damaged, one before it is whole": (
        Night(
            120,
            [Run(TRAINS)],
            also={
                key(names.CHECKPOINT_LAST_VALID, RUN): ((85, 0), (100, 1)),
                key(names.CHECKPOINTS_VALID, RUN): ((0, 1),),
            },
        ),
        [_of_run("TrainwardenCheckpointInvalid", "warning", 87, 100)],
    ),
    "no checkpoint is whole": (
        Night(
            120,
            [Run(TRAINS)],
            also={
                key(names.CHECKPOINT_LAST_VALID, RUN): ((85, 0), (110, 1)),
                key(names.CHECKPOINTS_VALID, RUN): ((0, 0), (110, 1)),
            },
        ),
        [_of_run("TrainwardenCheckpointInvalid", severity, 87, 110) for severity in ("warning", "critical")],
    ),
    "the supervisor is silent from 40 to 60": (
        Night(90, [Run(TRAINS)], also={key(names.RUN_BEAT, RUN): [*BEATS_UNTIL_40, *BEATS_FROM_60]}),
        [_of_run("TrainwardenRunSupervisorSilent", "warning", 47, 60.5)],
    ),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
