"""TrainwardenRunHung and TrainwardenRunStalled: the guilty are named at the right minute, the innocent never."""

from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import GPU, Chapter, Night, Run, blocked, caching, ended, key, saving, starting, training
from trainwarden import names
from trainwarden.model import Phase
from trainwarden.stack.tools import Tools

# Launched at 5, in training from 15, saved at 85. Blocked from 95: stalled after 10 min + 2, hung when ten idle minutes
# are seen and the checkpoint is older than 30 min (115) + 2.
START = [starting(2), caching(8)]
HANGS_AT_95 = [*START, training(80), blocked(100)]


def _stalled(since: float, until: float | None = None) -> Stands:
    return stands("TrainwardenRunStalled", "critical", since, until, run="lora")


def _hung(since: float, until: float | None = None, generation: int = 1) -> Stands:
    labels = {"action": "restart", "run": "lora", "generation": str(generation)}
    return stands("TrainwardenRunHung", "critical", since, until, **labels)


def _underused(since: float, until: float | None = None) -> Stands:
    return stands("TrainwardenRunGpuUnderused", "info", since, until, run="lora", gpu="0")


HUNG = [_hung(117), _stalled(107), _underused(115)]

GUILTY: dict[str, tuple[Night, list[Stands]]] = {
    "hung": (Night(130, [Run(HANGS_AT_95)]), HUNG),
    "hung, scraped every 15 s": (Night(130, [Run(HANGS_AT_95)], scrape_seconds=15), HUNG),
    "hung, and every fourth minute a scrape is missed": (Night(130, [Run(HANGS_AT_95)], missed_every=4), HUNG),
    "hung, every 15 s, and every fourth minute a scrape is missed": (
        Night(130, [Run(HANGS_AT_95)], scrape_seconds=15, missed_every=4),
        HUNG,
    ),
    "hung beside a desktop whose GPU use spikes": (Night(130, [Run(HANGS_AT_95)], desktop_spikes=True), HUNG),
    # No checkpoint yet: counted from the launch at 5.
    "hung before its first checkpoint": (
        Night(50, [Run([*START, training(5), blocked(100)])]),
        [_hung(37), _stalled(32), _underused(43)],
    ),
    # Relaunched at 121: the first generation's alerts end, the second has 30 minutes of its own.
    "after a restart only the new generation": (
        Night(170, [Run([*HANGS_AT_95[:3], blocked(26), starting(3), training(5), blocked(100)])]),
        [
            *(_hung(117, 121), _hung(153, generation=2)),
            *(_stalled(107, 121), _stalled(141)),
            *(_underused(115, 128), _underused(152)),
        ],
    ),
    # For three minutes after a launch two generations lie in the window; that must not spoil the other run's alert.
    "hung, while another run is launched anew": (
        Night(130, [Run(HANGS_AT_95), Run([starting(114), ended(Phase.STOPPED, 1), starting(5)], name="other")]),
        [*HUNG, stands("TrainwardenRunPhaseLong", "warning", 67, 119, run="other", phase="starting")],
    ),
    "a restarted run that trains on": (
        Night(170, [Run([*HANGS_AT_95[:3], blocked(26), starting(3), training(200)])]),
        [_hung(117, 121), _stalled(107, 121), _underused(115, 128)],
    ),
}

BUSY = [*START, training(80), blocked(100, gpu=1.0)]
SECOND_GPU = ("1", "GPU-77aa")
# Busy in every fifth reading, as a run is whose output nobody can follow and that waits for data.
NOW_AND_THEN = {key(names.GPU_UTILIZATION, *GPU): [(tick / 2, 0.0 if tick % 5 else 0.9) for tick in range(300)]}

CALLED_BUT_NOT_RESTARTED: dict[str, tuple[Night, list[Stands]]] = {
    "no step while the GPU spins (NCCL)": (Night(150, [Run(BUSY)]), [_stalled(107)]),
    "no step, and the GPU works now and then": (
        Night(149, [Run(HANGS_AT_95)], also=NOW_AND_THEN),
        [_stalled(107), _underused(43)],
    ),
    "one of its two GPUs gives no reading": (
        Night(150, [Run(HANGS_AT_95)], also={key(names.RUN_GPU, "lora", *SECOND_GPU): ((5, 1),)}),
        [_stalled(107), _underused(115)],
    ),
    "its GPUs are unknown": (
        Night(150, [Run(HANGS_AT_95)], also={key(names.RUN_GPU, "lora", *GPU): ((0, None),)}),
        [_stalled(107)],
    ),
    # Unsaved since the launch, and idle in all of the three minutes that are known.
    "a pause of six minutes just when the exporter is back": (
        Night(104, [Run([*START, training(74, saves_every=None), blocked(6), training(60)])], exporter_down=(60, 91)),
        [stands("TrainwardenExporterDown", "critical", 63, 91)],
    ),
    "the GPU is idle and old is the checkpoint, but steps come": (
        Night(150, [Run([*START, training(200, gpu=0.0)])]),
        [_underused(43)],
    ),
}

HEALTHY = [*START, training(600)]
CONSERVATIVE = Run([*START, training(600, step=2.5 / 0.7, vram=12.5)], profile="conservative")
SLOW_WRITE_UNSEEN = [*START, training(70), blocked(8), training(60)]

INNOCENT: dict[str, Night] = {
    "just started": Night(22, [Run([starting(2), caching(10), training(30)])]),
    "finished": Night(150, [Run([*START, training(75), ended(Phase.FINISHED)])]),
    "stopped by hand": Night(90, [Run([*START, training(30), ended(Phase.STOPPED)])]),
    "an idle GPU and no run": Night(60),
    "an idle GPU of a desktop": Night(60, desktop_spikes=True),
    "a healthy run beside a desktop": Night(110, [Run(HEALTHY)], desktop_spikes=True),
    "a missed scrape every four minutes": Night(110, [Run(HEALTHY)], missed_every=4),
    "a missed scrape every four minutes, every 15 s": Night(110, [Run(HEALTHY)], scrape_seconds=15, missed_every=4),
    "a slow checkpoint write that is seen": Night(125, [Run([*START, training(70), saving(12), training(60)])]),
    "a slow checkpoint write that looks like training": Night(125, [Run(SLOW_WRITE_UNSEEN)]),
    "a long caching phase before step 0": Night(150, [Run([starting(3), caching(52), training(300)])]),
    "a first step that takes eight minutes": Night(
        60, [Run([starting(3), caching(40), Chapter(Phase.TRAINING, 8), training(60)])]
    ),
    "eight hours of a balanced run that saves every 70 minutes": Night(480, [Run(HEALTHY)], evaluation_seconds=60),
    "eight hours of a conservative run": Night(480, [CONSERVATIVE], evaluation_seconds=60),
}


@pytest.mark.parametrize("night", GUILTY)
def test_a_hung_run_is_named_at_its_minute(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *GUILTY[night])


@pytest.mark.parametrize("night", CALLED_BUT_NOT_RESTARTED)
def test_a_doubtful_one_calls_a_human_and_is_not_restarted(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *CALLED_BUT_NOT_RESTARTED[night])


@pytest.mark.parametrize("night", INNOCENT)
def test_the_innocent_have_no_alert_at_any_minute(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, INNOCENT[night], [])
