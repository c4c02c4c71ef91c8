"""A simulated day of noise about every threshold: at most one notification for each real excursion.

Twice in the day the true value goes over a threshold: once well beyond and back, and once just up to it, where it stays
for four hours. In the evening it stays near, and never reaches it. Around the true value every reading scatters
normally, by more than sensors do; the same seed gives the same day.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.rules import shipped
from tests.rules.promtool import notation, run_series
from tests.rules.story import GPU, GPU_MEMORY_GIB, RAM_GIB, Night, Run, Sample, columns, key, starting, training
from tests.rules.surroundings import CHECKPOINT_BYTES, DISK_INODES
from trainwarden import guide, names
from trainwarden.stack.tools import Tools

HOURS = 24
SCRAPE_SECONDS = 30
TICKS = HOURS * 3600 // SCRAPE_SECONDS
SEED = 20251115

TRUTH = ((0, -5), (2, -5), (4, 5), (6, 5), (8, -5), (10, -5), (11, 0), (15, 0), (16, -5), (17, -2), (24, -2))
"""Hour, and how far beyond the threshold the true value is, in standard deviations of the noise. Straight between."""
EXCURSIONS = 2

MACHINE = {(threshold.signal, threshold.level): threshold.value for threshold in guide.MACHINE}
RUN = {(threshold.signal, threshold.level): threshold.value for threshold in guide.RUN}
VRAM_USED = key(names.GPU_MEMORY_USED, *GPU)
STEPS = key(names.RUN_STEP_DURATION, "lora", suffix="_sum")
AVAILABLE = key(names.HOST_MEMORY_AVAILABLE)
SWAP_IN = key(names.HOST_SWAP_IN)
WAITING, STALLED = key(names.HOST_PRESSURE_WAITING), key(names.HOST_PRESSURE_STALLED)
THROTTLED = key(names.GPU_THROTTLE_ACTIVE, *GPU, "hw_thermal_slowdown")
DISK_FREE, INODES = key(names.CHECKPOINT_DISK_FREE, "lora"), key(names.CHECKPOINT_INODES_FREE, "lora")
INODES_AT = DISK_INODES * RUN["checkpoint_inodes_ratio", "warning"]
COUNTED = (SWAP_IN, WAITING, STALLED)
"""Their threshold is of the rate."""


class Edge(NamedTuple):
    """One threshold of one rule, and what scatters about it."""

    alert: str
    severity: str
    series: str
    at: float
    noise: float
    """Its standard deviation, in the series' unit; negative where danger is below the threshold."""


RAM = RAM_GIB * guide.GIB
VRAM = GPU_MEMORY_GIB * guide.GIB


def _used(alert: str, severity: str, level: str) -> Edge:
    """RAM used, of which 2 % come and go."""
    return Edge(alert, severity, AVAILABLE, RAM * (1 - MACHINE["memory_used_ratio", level]), -RAM / 50)


def _left(severity: str, level: str) -> Edge:
    at = MACHINE["memory_available_bytes", level]
    return Edge("TrainwardenMemoryAvailableLow", severity, AVAILABLE, at, -RAM / 50)


def _swap(severity: str, level: str, noise: float) -> Edge:
    return Edge("TrainwardenSwapHigh", severity, key(names.HOST_SWAP_USED), MACHINE["swap_used_bytes", level], noise)


def _room(severity: str, level: str) -> Edge:
    """Of a disk on which others come and go by a tenth of a checkpoint."""
    at = RUN["checkpoint_room_sizes", level] * CHECKPOINT_BYTES
    return Edge("TrainwardenCheckpointRoomLow", severity, DISK_FREE, at, -CHECKPOINT_BYTES / 10)


def _hot(severity: str, level: str) -> Edge:
    series = key(names.GPU_TEMPERATURE, *GPU, "gpu")
    return Edge("TrainwardenGpuHot", severity, series, MACHINE["gpu_temperature_celsius", level], 2)


DAYS = {
    "warnings": [
        _used("TrainwardenMemoryHigh", "warning", "warning"),
        _swap("warning", "warning", 32 * guide.MIB),
        _hot("warning", "warning"),
        Edge("TrainwardenRunVramHigh", "warning", VRAM_USED, VRAM * RUN["gpu_memory_used_ratio", "high"], VRAM / 200),
        Edge("TrainwardenRunSlow", "warning", STEPS, RUN["step_duration_seconds", "warning"], 0.6),
    ],
    "dangers": [
        _used("TrainwardenMemoryHigh", "critical", "danger"),
        _swap("critical", "danger", 128 * guide.MIB),
        _hot("critical", "danger"),
        _room("critical", "danger"),
        Edge("TrainwardenRunVramLow", "warning", VRAM_USED, VRAM * RUN["gpu_memory_used_ratio", "low"], -VRAM / 100),
    ],
    "disk": [
        _room("warning", "warning"),
        Edge("TrainwardenCheckpointInodesLow", "warning", INODES, INODES_AT, -DISK_INODES / 200),
    ],
    "what is counted": [
        Edge(
            "TrainwardenSwapping", "warning", SWAP_IN, MACHINE["swap_in_bytes_per_second", "warning"], 0.3 * guide.MIB
        ),
        Edge("TrainwardenMemoryStalls", "warning", WAITING, MACHINE["memory_waiting_ratio", "warning"], 0.03),
        Edge("TrainwardenMemoryStalls", "critical", STALLED, MACHINE["memory_stalled_ratio", "danger"], 0.015),
        Edge("TrainwardenGpuThrottled", "warning", THROTTLED, MACHINE["gpu_throttled_ratio", "warning"], 0.06),
    ],
    "slower than before": [
        Edge("TrainwardenRunSlowing", "warning", STEPS, 2.5 * RUN["step_duration_medians", "warning"], 0.6)
    ],
    "little RAM is left": [_left("warning", "warning")],
    "hardly any RAM is left": [_left("critical", "danger")],
    "a lower configuration is advised": [_used("TrainwardenRunMemoryPressure", "warning", "advice")],
}
"""By day: thresholds that can be approached together, as no two of them are of one series."""

STARTS = """count by (alertname, severity) (count_over_time((
    ALERTS{alertstate="firing"} unless ALERTS{alertstate="firing"} offset 30s)[4m45s:30s]))"""
"""Which alerts began within five minutes. The range begins between evaluations: 2.42 and 3 count edges differently."""
GOT = re.compile(r'{alertname="(\w+)", severity="(\w+)"} ')


def truth(hour: float) -> float:
    """How far beyond the threshold, in standard deviations."""
    (begin, low), (end, high) = next(pair for pair in pairwise(TRUTH) if hour <= pair[1][0])
    return low + (high - low) * (hour - begin) / (end - begin)


def noisy(edge: Edge) -> Iterator[float]:
    """Every reading of the day."""
    scatter = random.Random(f"{SEED} {edge.alert} {edge.severity}")
    for tick in range(TICKS + 1):
        beyond = truth(tick * SCRAPE_SECONDS / 3600) + scatter.gauss(0, 1)
        yield max(0.0, edge.at + edge.noise * beyond)


@cache
def calm() -> dict[str, list[Sample]]:
    """A healthy balanced run, all day; it began long before, so that its windows are full."""
    return columns(
        Night(HOURS * 60, [Run([starting(1), training(HOURS * 60)], launched=0)], scrape_seconds=SCRAPE_SECONDS)
    )


def day(edges: list[Edge]) -> dict[str, list[Sample]]:
    """The healthy day, with noise about these thresholds."""
    return {**calm(), **{edge.series: list(_readings(edge)) for edge in edges}}


def _readings(edge: Edge) -> Iterator[Sample]:
    if edge.series == STEPS:
        return _sum(edge)
    return accumulate(rate * SCRAPE_SECONDS for rate in noisy(edge)) if edge.series in COUNTED else noisy(edge)


def _sum(edge: Edge) -> Iterator[Sample]:
    """Seconds that steps took so far: as many steps as in the healthy day, each as long as the reading says."""
    total, before = 0.0, 0.0
    for duration, count in zip(noisy(edge), calm()[STEPS.replace("_sum", "_count")], strict=True):
        if isinstance(count, float | int):
            total, before = total + (count - before) * duration, count
            yield total
        else:
            yield count


def rules_of(edges: list[Edge], folder: Path) -> list[Path]:
    """The shipped rules that say these alerts; the others would take most of the time, and are left out."""
    asked = {edge.alert for edge in edges}
    expressions = " ".join(rule["expr"] for rule in shipped.alerts() if rule["alert"] in asked)
    asked |= {rule["record"] for rule in shipped.rules() if "record" in rule and rule["record"] in expressions}
    written = []
    for file in shipped.FILES:
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert", rule.get("record")) in asked]
        written.append(folder / file.name)
        written[-1].write_text(yaml.safe_dump(content))
    return written


def series_of(edges: list[Edge], rules: list[Path]) -> dict[str, list[Sample]]:
    """Of the day what these rules ask for."""
    asked = "".join(file.read_text() for file in rules)
    return {series: values for series, values in day(edges).items() if series.partition("{")[0] in asked}


@pytest.mark.heavy
@pytest.mark.parametrize("name", DAYS)
def test_at_most_one_notification_for_each_real_excursion(name: str, tools: Tools, tmp_path: Path) -> None:
    """What Alertmanager sends anew is an alert that fires and did not a moment before."""
    edges, ends = DAYS[name], range(5, HOURS * 60 + 1, 5)
    questions = [{"expr": STARTS, "eval_time": f"{minute}m", "exp_samples": []} for minute in ends]
    rules = rules_of(edges, tmp_path)
    series = notation(series_of(edges, rules))
    test = {"interval": f"{SCRAPE_SECONDS}s", "input_series": series, "promql_expr_test": questions}
    said = run_series(tools.promtool, tmp_path, test, rules, SCRAPE_SECONDS)
    fired = Counter(GOT.findall(said or ""))
    found = {(edge.alert, edge.severity): fired[edge.alert, edge.severity] for edge in edges}
    assert all(1 <= times <= EXCURSIONS for times in found.values()), found


def test_no_threshold_rule_is_left_out() -> None:
    """Those whose value scatters. Ages only grow, and what is information is not sent."""
    held = {(edge.alert, edge.severity) for edges in DAYS.values() for edge in edges}
    kept = {(r["alert"], r["labels"]["severity"]) for r in shipped.alerts() if r.get("keep_firing_for") == "30m"}
    assert held == kept
