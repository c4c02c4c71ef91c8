"""Levels are judged as the shipped rules judge: the same side of the same threshold, the same severity."""

import math
import re

import pytest

from tests.conftest import REPOSITORY
from trainwarden import guide
from trainwarden.status.report import Level, worst
from trainwarden.status.scales import SCALES, Edge, bands, judge

SEVERITIES = {"info": Level.INFO, "warning": Level.WARNING, "critical": Level.DANGER}
COMPARED = re.compile(
    r"([<>])\s+on \([^)]*\)(?: group_left \(\))?\s+"
    r"last_over_time\(trainwarden_(?:run_)?threshold\{signal=\"(\w+)\", level=\"(\w+)\"\}"
)
NUMBERS = {(one.signal, one.level): one.value for one in (*guide.MACHINE, *guide.RUN)}
EDGES = [(signal, edge) for signal, edges in SCALES.items() for edge in edges]


def limits_of(signal: str) -> dict[str, float]:
    return {level: value for (name, level), value in NUMBERS.items() if name == signal}


def named(value: object) -> str:
    return f"{value.limit}-{value.level.value}" if isinstance(value, Edge) else str(value)


def in_the_rules() -> set[tuple[str, str, bool, Level]]:
    """Signal, level, whether what is above it is meant, and the severity, of each comparison in an alert."""
    found = set()
    for file in (REPOSITORY / "prometheus/rules").glob("*.yml"):
        for rule in re.split(r"(?m)^      - ", file.read_text()):
            severity = re.search(r"severity: (\w+)", rule)
            for side, signal, level in COMPARED.findall(rule) if severity else ():
                assert severity
                found.add((signal, level, side == ">", SEVERITIES[severity[1]]))
    return found


@pytest.mark.parametrize(("signal", "edge"), EDGES, ids=named)
def test_an_edge_is_crossed_as_an_alert_has_it(signal: str, edge: Edge) -> None:
    assert (signal, edge.limit, edge.above, edge.level) in in_the_rules()


@pytest.mark.parametrize(("signal", "edge"), EDGES, ids=named)
def test_the_edge_itself_is_on_the_good_side(signal: str, edge: Edge) -> None:
    limits = limits_of(signal)
    limit = limits[edge.limit]
    beyond = math.nextafter(limit, math.inf if edge.above else -math.inf)
    at = judge(signal, limit, limits)
    assert at is not edge.level
    assert judge(signal, beyond, limits) is edge.level


def test_what_has_no_threshold_in_force_is_not_judged() -> None:
    assert judge("gpu_power_watts", 500, {}) is None
    assert judge("memory_used_ratio", 0.99, {}) is None


def test_the_worst_level_counts_and_what_is_not_judged_does_not() -> None:
    assert worst([Level.WARNING, None, Level.DANGER, Level.INFO]) is Level.DANGER
    assert worst([None]) is Level.SAFE


@pytest.mark.parametrize(
    ("signal", "said"),
    [  # guide §1
        ("memory_used_ratio", ("< 70 %", "70-85 %", "> 85 %")),
        ("memory_available_bytes", ("> 8 GiB", "4-8 GiB", "< 4 GiB")),
        ("swap_used_bytes", ("< 500 MiB", "500 MiB-2 GiB", "> 2 GiB")),
        ("gpu_temperature_celsius", ("< 75 °C", "75-85 °C", "> 85 °C")),
        ("gpu_memory_used_ratio", ("90-98 %", "< 90 %, > 98 %", "OOM")),
        ("gpu_utilization_ratio", ("> 95 %", "", "hung")),
        ("step_age_seconds", ("< 10 min", "", "> 10 min")),
        ("gpu_power_watts", ("", "", "")),
    ],
)
def test_the_ranges_are_written_as_in_the_guide(signal: str, said: tuple[str, str, str]) -> None:
    assert tuple(bands(signal, limits_of(signal))) == said
