"""The machine's alerts and the watch's own: warning and danger under one name, each from its minute to its end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import Levels, Night, Run, caching, key, starting, training, up
from tests.rules.surroundings import COLLECTORS
from trainwarden import guide, names
from trainwarden.stack.tools import Tools

TRAINS = [starting(2), caching(8), training(300)]  # launched at 5
EXPORTER = up("trainwarden")
RECEIVER = up("trainwarden-receiver")
COLLECTOR = key(names.COLLECTOR_SUCCESS, "gpu")
LAST_SUCCESS = key(names.COLLECTOR_LAST_SUCCESS, "gpu")
SWAP_IN, OOM_KILLS = key(names.HOST_SWAP_IN), key(names.HOST_OOM_KILLS)
WAITING, STALLED = key(names.HOST_PRESSURE_WAITING), key(names.HOST_PRESSURE_STALLED)


def _ticks(value: Callable[[float], float]) -> Levels:
    """A signal that is another at every scrape, by the second."""
    return [(tick / 2, value(tick * 30)) for tick in range(200)]


def _grows(a_second: float) -> Levels:
    """A counter that grows from 20 to 40, by so much a second."""
    return _ticks(lambda seconds: a_second * min(max(seconds - 1200, 0), 1200))


def _skewed(seconds: float) -> dict[str, Levels]:
    """The exporter's clock is behind from 20 to 40."""
    behind = _ticks(lambda s: s - seconds * (1200 <= s < 2400))
    return {key(names.COLLECTOR_LAST_SUCCESS, collector): behind for collector in COLLECTORS}


def _climbs(low: float, warning: float, danger: float) -> Levels:
    """Warning from 20 to 60, danger from 30 to 50."""
    return ((0, low), (20, warning), (30, danger), (50, warning), (60, low))


# Chosen so that warning and danger begin equally later with a reading more in the window: Prometheus 3 leaves its left
# edge out, and the texts say for how long it was a warning before.
RAM = _climbs(0.4, 0.77, 0.9)
CELSIUS = _climbs(47, 83, 90)


# Two minutes of mean pass the limit within two minutes, `for` is two minutes more; half an hour is kept afterwards.
def _both(alert: str, **labels: str) -> list[Stands]:
    return [stands(alert, "warning", 23.5, 90.5, **labels), stands(alert, "critical", 33, 80.5, **labels)]


RAM_HIGH = _both("TrainwardenMemoryHigh")
PRESSURE = stands("TrainwardenRunMemoryPressure", "warning", 32.5, 80.5, run="lora")

NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    # 90 % of 30 GB leave 3 GB available, 77 % leave 6.9 GB.
    "RAM without a run": (
        Night(100, ram_used=RAM),
        [*RAM_HIGH, *_both("TrainwardenMemoryAvailableLow")],
    ),
    "RAM during a run: consider a lower configuration": (
        Night(100, [Run(TRAINS)], ram_used=RAM),
        [*RAM_HIGH, *_both("TrainwardenMemoryAvailableLow"), PRESSURE],
    ),
    "RAM jumps for a minute": (Night(40, ram_used=((0, 0.4), (20, 0.9), (21, 0.4))), []),
    "swap": (Night(100, swap_mib=_climbs(283, 700, 3000)), _both("TrainwardenSwapHigh")),
    "temperature": (Night(100, celsius=CELSIUS), _both("TrainwardenGpuHot", gpu="0")),
    # The mean of five minutes passes half of what there is after 2.5 minutes, and falls below it as late.
    "swap is read back": (
        Night(100, also={SWAP_IN: _grows(2 * guide.MIB)}),
        [stands("TrainwardenSwapping", "warning", 27.5, 72.5)],
    ),
    "a little is read back from swap": (Night(100, also={SWAP_IN: _grows(guide.MIB / 2)}), []),
    "some processes wait for memory": (
        Night(100, also={WAITING: _grows(0.2)}),
        [stands("TrainwardenMemoryStalls", "warning", 27.5, 72.5)],
    ),
    "every process waits for memory": (
        Night(100, also={WAITING: _grows(0.2), STALLED: _grows(0.1)}),
        [stands("TrainwardenMemoryStalls", severity, 27.5, 72.5) for severity in ("warning", "critical")],
    ),
    "a data loader makes others wait now and then": (
        Night(100, also={WAITING: _grows(0.05), STALLED: _grows(0.02)}),
        [],
    ),
    "the kernel kills for memory": (
        Night(60, also={OOM_KILLS: ((0, 1), (20, 3))}),
        [stands("TrainwardenOomKill", "warning", 20, 35)],
    ),
    "temperature, and scrapes are missed": (
        Night(100, celsius=CELSIUS, missed_every=4),
        _both("TrainwardenGpuHot", gpu="0"),
    ),
    "the user's threshold is another": (
        Night(60, celsius=((0, 80),), also={key(names.THRESHOLD, "gpu_temperature_celsius", "warning"): ((0, 83),)}),
        [],
    ),
    "the exporter is down": (
        Night(60, [Run(TRAINS)], exporter_down=(20, 40)),
        [stands("TrainwardenExporterDown", "critical", 23, 40)],
    ),
    "Prometheus knows no exporter": (
        Night(30, also={EXPORTER: ((0, None),)}),
        [stands("TrainwardenExporterDown", "critical", 1)],
    ),
    "the receiver is down": (
        Night(60, also={RECEIVER: ((0, 1), (20, 0), (40, 1))}),
        [stands("TrainwardenReceiverDown", "critical", 23, 40)],
    ),
    "a collector fails": (
        # Its last success grows old meanwhile, which is no skew of clocks.
        Night(
            60,
            also={
                COLLECTOR: ((0, 1), (20, 0), (40, 1)),
                LAST_SUCCESS: _ticks(lambda s: 1200 if 1200 <= s < 2400 else s),
            },
        ),
        [stands("TrainwardenCollectorFailing", "warning", 27, 40, collector="gpu")],
    ),
    "one of the machine's thresholds is missing": (
        Night(60, also={key(names.THRESHOLD, *guide.MACHINE[0][:2]): ((0, 0.7), (20, None), (40, 0.7))}),
        [stands("TrainwardenThresholdsMissing", "critical", 28, 40)],
    ),
    "one of a run's thresholds is missing": (
        Night(
            60,
            [Run(TRAINS)],
            also={key(names.RUN_THRESHOLD, "lora", *guide.RUN[0][:2]): ((0, 0.9), (20, None), (40, 0.9))},
        ),
        [stands("TrainwardenThresholdsMissing", "critical", 28, 40, run="lora")],
    ),
    "the exporter's clock is behind": (
        Night(90, also=_skewed(10)),
        [stands("TrainwardenClockSkew", "warning", 27, 50)],
    ),
    "the exporter's clock is a little behind": (Night(60, also=_skewed(3)), []),
    "the exporter begins after Prometheus": (Night(30, exporter_down=(0, 1)), []),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
