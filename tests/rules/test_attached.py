"""An attached run whose output nobody reads: idle, unsaved and silent for hours, and no alert claims to know why."""

from pathlib import Path

import pytest

from tests.rules.promtool import check, stands
from tests.rules.story import Levels, Night, Run, blocked, key, starting, training
from trainwarden import names
from trainwarden.model import Phase
from trainwarden.stack.tools import Tools

ABSENT: Levels = ((0, None),)


def unseen(run: str) -> dict[str, Levels]:
    """What ``tests/collectors/test_attached_runs.py`` says is shown: no phase holds, and nothing of steps is there."""
    gone = [key(family, run) for family in (names.RUN_PHASE_START, names.RUN_STEPS_DONE, names.RUN_LAST_STEP)]
    gone += [key(names.RUN_STEP_DURATION, run, suffix=suffix) for suffix in ("_sum", "_count")]
    return {
        **{key(names.RUN_PHASE, run, phase.value): ((0, 0.0),) for phase in Phase},
        **dict.fromkeys(gone, ABSENT),
    }


# Launched at 5. Hung takes 30 min for the checkpoint's age, 10 for the GPU and 2 for `for`: watched for thrice as long.
IDLE = Run([starting(1), blocked(200)])
BUSY = Run([starting(1), training(200, saves_every=None)])
SEEN = [
    stands("TrainwardenRunStalled", "critical", 18, run="lora"),
    stands("TrainwardenRunGpuUnderused", "info", 29, run="lora", gpu="0"),
    stands("TrainwardenRunHung", "critical", 37, action="restart", run="lora", generation="1"),
]


@pytest.mark.parametrize("run", [IDLE, BUSY], ids=["idle", "busy"])
def test_a_run_of_which_nothing_is_known_fires_nothing(run: Run, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, "unseen", Night(130, [run], also=unseen("lora")), [])


def test_the_same_night_fires_where_the_run_is_seen(tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, "seen", Night(60, [IDLE]), SEEN)
