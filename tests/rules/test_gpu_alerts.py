"""The cards' own alerts: lost, missing, XID, throttled, and strangers on a run's GPU."""

from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import GPU, Levels, Night, Run, caching, ended, key, starting, training
from trainwarden import names
from trainwarden.model import Phase
from trainwarden.stack.tools import Tools

TRAINS = Run([starting(2), caching(8), training(300)])  # launched at 5, in training from 15
UP, LISTED = key(names.GPU_UP, *GPU), key(names.GPUS)
FOREIGN = key(names.RUN_FOREIGN_PROCESSES, "lora", *GPU)


def _xid(number: int) -> dict[str, Levels]:
    """Reported at 20, and known from then on."""
    return {
        key(names.GPU_XID_LAST, *GPU, str(number)): ((20, 1200),),
        key(names.GPU_XID_ERRORS, *GPU, str(number)): ((20, 1),),
    }


def _throttled(reason: str) -> dict[str, Levels]:
    """Throughout 20 to 40."""
    return {key(names.GPU_THROTTLE_ACTIVE, *GPU, reason): ((0, 0), (20, 1), (40, 0))}


def _of_gpu(alert: str, severity: str, since: float, until: float, **labels: str) -> Stands:
    return stands(alert, severity, since, until, gpu="0", **labels)


NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    "a GPU is lost": (
        Night(60, also={UP: ((0, 1), (20, 0), (40, 1))}),
        [_of_gpu("TrainwardenGpuLost", "critical", 23, 42)],
    ),
    "a GPU does not answer for a minute": (Night(40, also={UP: ((0, 1), (20, 0), (21, 1))}), []),
    "a GPU is not listed": (
        Night(60, also={LISTED: ((0, 1), (20, 0), (40, 1))}),
        [stands("TrainwardenGpusMissing", "warning", 24, 42)],
    ),
    "a machine without a GPU": (
        Night(40, also={LISTED: ((0, 0),), key(names.GPUS_EXPECTED): ((0, 0),), UP: ((0, None),)}),
        [],
    ),
    # It stands for a quarter of an hour.
    "an XID of a program": (Night(60, also=_xid(31)), [_of_gpu("TrainwardenGpuXid", "warning", 20, 35, xid="31")]),
    "an XID after which a card must be reset": (
        Night(60, also=_xid(79)),
        [_of_gpu("TrainwardenGpuXid", severity, 20, 35, xid="79") for severity in ("warning", "critical")],
    ),
    "an XID of a process that ended": (Night(60, also=_xid(45)), []),
    # More than a fifth of ten minutes from 22 to 48.
    "heat holds the clocks down": (
        Night(100, also=_throttled("hw_thermal_slowdown")),
        [_of_gpu("TrainwardenGpuThrottled", "warning", 27.5, 78, reason="hw_thermal_slowdown")],
    ),
    "the power supply holds the clocks down": (
        Night(100, also=_throttled("hw_power_brake_slowdown")),
        [_of_gpu("TrainwardenGpuThrottled", "warning", 27.5, 78, reason="hw_power_brake_slowdown")],
    ),
    "the power limit is reached, as under any load": (Night(100, also=_throttled("sw_power_cap")), []),
    "heat holds the clocks down for a minute": (
        Night(60, also={key(names.GPU_THROTTLE_ACTIVE, *GPU, "sw_thermal_slowdown"): ((0, 0), (20, 1), (21, 0))}),
        [],
    ),
    "somebody else is on the run's GPU": (
        Night(80, [TRAINS], also={FOREIGN: ((5, 0), (30, 1), (50, 0))}),
        [_of_gpu("TrainwardenRunForeignProcess", "warning", 37, 80, run="lora")],
    ),
    "somebody looks in for two minutes": (Night(60, [TRAINS], also={FOREIGN: ((5, 0), (30, 1), (32, 0))}), []),
    "the card is shared on purpose": (
        Night(
            60,
            [Run(TRAINS.chapters, thresholds={("gpu_foreign_processes", "warning"): 1})],
            also={FOREIGN: ((5, 1),)},
        ),
        [],
    ),
    "the card is somebody else's after the run": (
        Night(
            60, [Run([*TRAINS.chapters[:2], training(15), ended(Phase.FINISHED)])], also={FOREIGN: ((5, 0), (32, 1))}
        ),
        [],
    ),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
