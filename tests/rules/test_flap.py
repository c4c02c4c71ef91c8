"""Signals that scatter about every threshold for a day: at most one notification for each real excursion."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import promql_parser
import pytest
import yaml
from promql_parser import BinaryExpr, NumberLiteral

from tests.rules import lint, noise, shipped
from tests.rules.noise import EXCURSIONS, HOURS, RUN, SCRAPE_SECONDS, Edge, Series
from tests.rules.promtool import notation, run_series
from tests.rules.story import GPU, GPU_MEMORY_GIB, RAM_GIB, key
from tests.rules.surroundings import CHECKPOINT_BYTES, DISK_INODES
from trainwarden import guide, names
from trainwarden.stack.tools import Tools

MACHINE = {(threshold.signal, threshold.level): threshold.value for threshold in guide.MACHINE}
OF_RUN = {(threshold.signal, threshold.level): threshold.value for threshold in guide.RUN}
RAM, VRAM = RAM_GIB * guide.GIB, GPU_MEMORY_GIB * guide.GIB
AVAILABLE = noise.gauge(key(names.HOST_MEMORY_AVAILABLE))
VRAM_USED = noise.gauge(key(names.GPU_MEMORY_USED, *GPU))
INODES = noise.gauge(key(names.CHECKPOINT_INODES_FREE, RUN))
SWAP_IN = noise.counter(key(names.HOST_SWAP_IN))
WAITING, STALLED = (noise.counter(key(f)) for f in (names.HOST_PRESSURE_WAITING, names.HOST_PRESSURE_STALLED))
THROTTLED = noise.counter(key(names.GPU_THROTTLE_ACTIVE, *GPU, "hw_thermal_slowdown"))


def _used(alert: str, severity: str, level: str) -> Edge:
    """RAM used, of which 2 % come and go."""
    return Edge(alert, severity, RAM * (1 - MACHINE["memory_used_ratio", level]), -RAM / 50, AVAILABLE)


def _left(severity: str, level: str) -> Edge:
    at = MACHINE["memory_available_bytes", level]
    return Edge("TrainwardenMemoryAvailableLow", severity, at, -RAM / 50, AVAILABLE)


def _swap(severity: str, level: str, scatter: float) -> Edge:
    swap = noise.gauge(key(names.HOST_SWAP_USED))
    return Edge("TrainwardenSwapHigh", severity, MACHINE["swap_used_bytes", level], scatter, swap)


def _room(severity: str, level: str) -> Edge:
    """Of a disk on which others come and go by a tenth of a checkpoint."""
    at = OF_RUN["checkpoint_room_sizes", level] * CHECKPOINT_BYTES
    return Edge("TrainwardenCheckpointRoomLow", severity, at, -CHECKPOINT_BYTES / 10, noise.gauge(noise.FREE))


def _hot(severity: str, level: str) -> Edge:
    celsius = noise.gauge(key(names.GPU_TEMPERATURE, *GPU, "gpu"))
    return Edge("TrainwardenGpuHot", severity, MACHINE["gpu_temperature_celsius", level], 2, celsius)


def _run(alert: str, severity: str, signal: str, level: str) -> tuple[str, str, float]:
    """An alert of the run, and its threshold."""
    return f"TrainwardenRun{alert}", severity, OF_RUN[signal, level]


DAYS = {
    "warnings": [
        _used("TrainwardenMemoryHigh", "warning", "warning"),
        _swap("warning", "warning", 32 * guide.MIB),
        _hot("warning", "warning"),
        Edge(
            "TrainwardenRunVramHigh", "warning", VRAM * OF_RUN["gpu_memory_used_ratio", "high"], VRAM / 200, VRAM_USED
        ),
        Edge(*_run("Slow", "warning", "step_duration_seconds", "warning"), 0.6, noise.step_durations),
    ],
    "dangers": [
        _used("TrainwardenMemoryHigh", "critical", "danger"),
        _swap("critical", "danger", 128 * guide.MIB),
        _hot("critical", "danger"),
        _room("critical", "danger"),
        Edge("TrainwardenRunVramLow", "warning", VRAM * OF_RUN["gpu_memory_used_ratio", "low"], -VRAM / 100, VRAM_USED),
        Edge(*_run("LossNotFinite", "critical", "nonfinite_losses_ratio", "danger"), 0.08, noise.spoiled_losses),
    ],
    "disk": [
        _room("warning", "warning"),
        Edge(
            "TrainwardenCheckpointInodesLow",
            "warning",
            DISK_INODES * OF_RUN["checkpoint_inodes_ratio", "warning"],
            -DISK_INODES / 200,
            INODES,
        ),
    ],
    "what is counted": [
        Edge(
            "TrainwardenSwapping", "warning", MACHINE["swap_in_bytes_per_second", "warning"], 0.3 * guide.MIB, SWAP_IN
        ),
        Edge("TrainwardenMemoryStalls", "warning", MACHINE["memory_waiting_ratio", "warning"], 0.03, WAITING),
        Edge("TrainwardenMemoryStalls", "critical", MACHINE["memory_stalled_ratio", "danger"], 0.015, STALLED),
        Edge("TrainwardenGpuThrottled", "warning", MACHINE["gpu_throttled_ratio", "warning"], 0.06, THROTTLED),
        # None is allowed, and there is one or there is not.
        Edge("TrainwardenRunForeignProcess", "warning", 0.5, 0.2, noise.processes),
    ],
    "slower than before": [
        Edge(
            "TrainwardenRunSlowing",
            "warning",
            2.5 * OF_RUN["step_duration_medians", "warning"],
            0.6,
            noise.step_durations,
        )
    ],
    "little RAM is left": [_left("warning", "warning")],
    "hardly any RAM is left": [_left("critical", "danger")],
    "a lower configuration is advised": [_used("TrainwardenRunMemoryPressure", "warning", "advice")],
    "the exporter's clock is about wrong": [
        Edge("TrainwardenClockSkew", "warning", MACHINE["clock_skew_seconds", "warning"], 0.5, noise.clocks)
    ],
    "a GPU without a step idles, or nearly so": [
        Edge(*_run("Hung", "critical", "gpu_utilization_ratio", "idle"), -0.01, noise.idle_gpu)
    ],
    # At one the disk is full just when the run ends.
    "the disk lasts about as long as the run": [
        Edge("TrainwardenDiskFillsBeforeEnd", "warning", 1, 0.1, noise.filling_disk)
    ],
}
"""By day: thresholds that can be approached together, as no two of them are of one series."""

SPELLS = [
    Edge(*_run("PhaseLong", "warning", "phase_age_seconds", "warning"), 360, noise.phases),
    Edge(*_run("Stalled", "critical", "step_age_seconds", "stalled"), 60, noise.latest(key(names.RUN_LAST_STEP, RUN))),
    Edge(
        "TrainwardenCheckpointOverdue",
        "warning",
        OF_RUN["checkpoint_age_seconds", "overdue"],
        300,
        noise.latest(key(names.CHECKPOINT_LAST, RUN)),
    ),
]
"""Ages, which are exact. Each spell is by itself, as its end is told at once: each that is too long is an excursion."""

# The threshold stands between one that is left and two.
BUDGET = Edge("TrainwardenRestartBudgetLow", "warning", OF_RUN["restart_budget", "low"] + 0.5, -0.4, noise.budget)

APART = {
    "TrainwardenRunGpuUnderused": "is information, and so nobody is told",
    "TrainwardenRunLongWithGradientCheckpointing": "the age of a launch only grows",
    "TrainwardenRunCrashed": "an exit; what is compared is for how long it is told",
    "TrainwardenRunRecovered": "an event; what is compared is for how long it is told",
    "TrainwardenGpuXid": "an event; what is compared is for how long it is told",
    "TrainwardenCheckpointInvalid": "a checkpoint is whole or not; what is compared is for how long it is told",
    "TrainwardenGpusMissing": "cards are there or not, and are counted",
    "TrainwardenThresholdsMissing": "thresholds are exported or not, and are counted",
}
"""Alerts that compare with a number, and of which nothing can scatter about it."""

STARTS = """count by (alertname, severity) (count_over_time((
    ALERTS{alertstate="firing"} unless ALERTS{alertstate="firing"} offset 30s)[4m45s:30s]))"""
"""Which alerts began within five minutes. The range begins between evaluations: 2.42 and 3 count edges differently."""
GOT = re.compile(r'{alertname="(\w+)", severity="(\w+)"} ')


def rules_of(edges: list[Edge], folder: Path) -> list[Path]:
    """The shipped rules that say these alerts; the others would take most of the time, and are left out."""
    asked = {edge.alert for edge in edges}
    while needed := _recordings_in(asked) - asked:
        asked |= needed
    written = []
    for file in shipped.FILES:
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert", rule.get("record")) in asked]
        written.append(folder / file.name)
        written[-1].write_text(yaml.safe_dump(content))
    return written


def _recordings_in(asked: set[str]) -> set[str]:
    """What the expressions of these rules read of what others record."""
    expressions = " ".join(rule["expr"] for rule in shipped.rules() if rule.get("alert", rule.get("record")) in asked)
    return {rule["record"] for rule in shipped.recordings() if rule["record"] in expressions}


def series_of(edges: list[Edge], rules: list[Path]) -> Series:
    """Of the healthy day, with noise about these thresholds, what these rules ask for."""
    asked = "".join(file.read_text() for file in rules)
    day = dict(noise.calm())
    for edge in edges:
        day |= edge.told(edge)
    return {series: values for series, values in day.items() if series.partition("{")[0] in asked}


def starts(edges: list[Edge], tools: Tools, folder: Path) -> Counter[tuple[str, str]]:
    """How often each alert began: what Alertmanager sends anew is one that fires and did not a moment before."""
    questions = [
        {"expr": STARTS, "eval_time": f"{minute}m", "exp_samples": []} for minute in range(5, HOURS * 60 + 1, 5)
    ]
    rules = rules_of(edges, folder)
    series = notation(series_of(edges, rules))
    test = {"interval": f"{SCRAPE_SECONDS}s", "input_series": series, "promql_expr_test": questions}
    return Counter(GOT.findall(run_series(tools.promtool, folder, test, rules, SCRAPE_SECONDS) or ""))


@pytest.mark.heavy
@pytest.mark.parametrize("name", DAYS)
def test_at_most_one_notification_for_each_real_excursion(name: str, tools: Tools, tmp_path: Path) -> None:
    fired = starts(DAYS[name], tools, tmp_path)
    found = {(edge.alert, edge.severity): fired[edge.alert, edge.severity] for edge in DAYS[name]}
    assert {edge: times for edge, times in found.items() if not 1 <= times <= EXCURSIONS} == {}


@pytest.mark.heavy
@pytest.mark.parametrize("edge", SPELLS, ids=[edge.alert for edge in SPELLS])
def test_a_spell_is_told_once_and_only_if_it_is_too_long(edge: Edge, tools: Tools, tmp_path: Path) -> None:
    too_long = [begin for begin, end in pairwise(noise.occasions(edge)) if end - begin > edge.at]
    times = starts([edge], tools, tmp_path)[edge.alert, edge.severity]
    assert 1 <= times <= len(too_long)


@pytest.mark.heavy
def test_a_budget_that_is_used_and_filled_up_again_and_again_is_told_once(tools: Tools, tmp_path: Path) -> None:
    times = starts([BUDGET], tools, tmp_path)[BUDGET.alert, BUDGET.severity]
    assert 1 <= times <= noise.times_low(BUDGET)


def test_no_alert_that_compares_with_a_number_is_left_out() -> None:
    held = {edge.alert for edge in _every()}
    compares = {rule["alert"] for rule in shipped.alerts() if compares_with_a_number(rule["expr"])}
    assert compares == held | APART.keys()
    assert held & APART.keys() == set()


def test_an_alert_of_two_levels_is_held_at_both() -> None:
    held = {(edge.alert, edge.severity) for edge in _every()}
    of_threshold = {
        (rule["alert"], rule["labels"]["severity"])
        for rule in shipped.alerts()
        if "threshold{" in rule["expr"] and rule["alert"] not in APART
    }
    assert of_threshold <= held


def _every() -> Iterable[Edge]:
    return [*SPELLS, BUDGET, *(edge for edges in DAYS.values() for edge in edges)]


def compares_with_a_number(expression: str) -> bool:
    """Whether it asks how much, and not only whether there is any (above 0, below 1)."""
    return any(
        str(node.op) in ("<", ">", "<=", ">=") and not any(_is_truth(side) for side in (node.lhs, node.rhs))
        for node in lint.every(promql_parser.parse(expression))
        if isinstance(node, BinaryExpr)
    )


def _is_truth(node: lint.Node) -> bool:
    return isinstance(node, NumberLiteral) and node.val in (0, 1)
