"""From which side each threshold is crossed, and what that means: as the alert rules have it, and without a number."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trainwarden import units
from trainwarden.status.report import Level, worst


class Edge(NamedTuple):
    """One threshold of a signal."""

    limit: str
    """Its level's name, as it is exported."""
    above: bool
    """Whether the values above it are meant (else those below); it itself is on the good side."""
    level: Level


_HIGH = (Edge("warning", True, Level.WARNING), Edge("danger", True, Level.DANGER))
_LOW = (Edge("warning", False, Level.WARNING), Edge("danger", False, Level.DANGER))

SCALES: dict[str, tuple[Edge, ...]] = {
    "memory_used_ratio": _HIGH,
    "memory_available_bytes": _LOW,
    "swap_used_bytes": _HIGH,
    "gpu_temperature_celsius": _HIGH,
    "gpu_memory_used_ratio": (Edge("low", False, Level.WARNING), Edge("high", True, Level.WARNING)),
    "gpu_utilization_ratio": (Edge("target", False, Level.INFO),),
    "gpu_foreign_processes": _HIGH[:1],
    "step_duration_seconds": _HIGH[:1],
    "step_age_seconds": (Edge("stalled", True, Level.DANGER),),
    "phase_age_seconds": _HIGH[:1],
    "checkpoint_age_seconds": (Edge("overdue", True, Level.WARNING),),
    "checkpoint_room_sizes": _LOW,
}


def judge(signal: str, value: float, limits: Mapping[str, float]) -> Level | None:
    """The level of a value. None where no threshold of the signal is in force."""
    edges = [edge for edge in SCALES.get(signal, ()) if edge.limit in limits]
    crossed = (e.level for e in edges if (value > limits[e.limit] if e.above else value < limits[e.limit]))
    return worst(crossed) if edges else None


_DANGERS = {"gpu_memory_used_ratio": "OOM", "gpu_utilization_ratio": "hung"}
"""What the guide calls a danger and no single number tells: it stands with the run."""


class Bands(NamedTuple):
    """The ranges as the guide's table writes them; empty where the signal has none."""

    safe: str
    warning: str
    danger: str


def bands(signal: str, limits: Mapping[str, float]) -> Bands:
    """The ranges of a signal, in the units that people read."""
    edges = [edge for edge in SCALES.get(signal, ()) if edge.limit in limits]
    mild = [edge for edge in edges if edge.level is not Level.DANGER]
    grave = [edge for edge in edges if edge.level is Level.DANGER]
    warning = "" if all(edge.level is Level.INFO for edge in mild) else _mild(signal, mild, grave, limits)
    danger = _beyond(signal, grave, limits) or _DANGERS.get(signal, "")
    return Bands(_safe(signal, mild or grave, limits), warning, danger) if edges else Bands("", "", "")


def _safe(signal: str, edges: Sequence[Edge], limits: Mapping[str, float]) -> str:
    said = [units.of(limits[edge.limit], signal) for edge in edges]
    if len(edges) == 2:
        return _range(*said)
    return "".join(f"{'<' if edge.above else '>'} {text}" for edge, text in zip(edges, said, strict=True))


def _mild(signal: str, mild: Sequence[Edge], grave: Sequence[Edge], limits: Mapping[str, float]) -> str:
    if len(mild) != 1 or not grave:
        return _beyond(signal, mild, limits)
    near, far = (limits[edge.limit] for edge in (mild[0], grave[0]))
    return _range(*(units.of(value, signal) for value in sorted((near, far))))


def _beyond(signal: str, edges: Sequence[Edge], limits: Mapping[str, float]) -> str:
    return ", ".join(f"{'>' if edge.above else '<'} {units.of(limits[edge.limit], signal)}" for edge in edges)


def _range(low: str, high: str) -> str:
    """``70-85 %``; the unit is said once where it is the same."""
    unit = low.partition(" ")[2]
    return f"{low.removesuffix(f' {unit}') if high.endswith(f' {unit}') else low}-{high}"
