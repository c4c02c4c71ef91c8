"""The fleet: what each machine's exporter and receiver say, as far as the rules ask for it.

A machine is the one of the golden ``/metrics`` with 8 GPUs and 2 runs, each on four of them: names and labels are from
there, and only what an expression of a rule names is kept. Every 50th machine is sick: its RAM is short and its GPUs
are hot, so that alerts stand and their texts are written. Values move: steps are counted, what was a moment ago stays a
moment ago, readings swing.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import REPOSITORY
from tests.golden.runs import NOW
from tests.rules import shipped
from trainwarden import names
from trainwarden.guide import GIB
from trainwarden.names import Family
from trainwarden.restart.states import CallReason, HoldReason, RestartReason, State

GPUS, RUNS = 8, ("luca", "mia")
SICK_EVERY = 50
AN_HOUR = 3600.0
MACHINE = "@"
"""Stands for the machine's name in a page that is the same for all."""

_GOLDEN = REPOSITORY / "tests" / "golden" / "exporter.prom"
_A_SECOND = {
    names.RUN_STEPS_DONE.name: 0.4,
    names.RUN_STEP.name: 0.4,
    f"{names.RUN_STEP_DURATION.name}_sum": 1.0,
    f"{names.RUN_STEP_DURATION.name}_count": 0.4,
}
"""Growth a second: a step takes 2.5 s."""
_SWINGS = (names.GPU_UTILIZATION, names.GPU_MEMORY_USED, names.GPU_TEMPERATURE, names.HOST_MEMORY_AVAILABLE)
_WELL = {names.RUN_FOREIGN_PROCESSES.name: 0.0, names.GPU_XID_LAST.name: -86400.0, names.RESTART_BUDGET.name: 3.0}
"""The golden page has a stranger on a GPU and a fresh XID error; and a receiver has restarts left."""
_SICK = {
    names.HOST_MEMORY_AVAILABLE.name: 2.0 * GIB,
    names.GPU_TEMPERATURE.name: 91.0,
    names.RUN_FOREIGN_PROCESSES.name: 1.0,
}
_VALUES: dict[str, list[str]] = {
    "run": list(RUNS),
    "state": [state.value for state in State],
    "outcome": ["accepted"],
}
_REASONS = {
    names.RESTARTS.name: [reason.value for reason in RestartReason],
    names.NEEDS_HUMAN.name: [CallReason.LEDGER_UNREADABLE.value, CallReason.LEDGER_UNWRITABLE.value],
    names.RESTART_HOLD.name: [HoldReason.BUSY.value],
}
"""What a receiver tells of a run that it never called a human for; and one hold, of which there is never a second."""

Labels = tuple[tuple[str, str], ...]


class Line(NamedTuple):
    """One series of a machine, and how its value moves."""

    name: str
    labels: Labels
    value: float
    """At the beginning; for a timestamp the distance from the beginning, in seconds."""
    a_second: float = 0.0
    swing: float = 0.0

    def at(self, begins: float, now: float) -> float:
        """Its value at that time (Unix seconds)."""
        value = self.value + self.a_second * (now - begins)
        if self.name.endswith("_timestamp_seconds"):
            return begins + value
        return value * (1 + self.swing * math.sin(now * 0.7 + len(self.labels)))


def exporter() -> list[Line]:
    """What an exporter says: of the golden page what the rules name, for all GPUs and runs."""
    asked = shipped.metrics()
    families = text_string_to_metric_families(_GOLDEN.read_text())
    samples = [sample for family in families for sample in family.samples if sample.name in asked]
    found: dict[tuple[str, Labels], float] = {}
    for sample in sorted(samples, key=lambda one: one.labels.get("run") != RUNS[0]):
        for labels in _everywhere(sample.labels):
            found.setdefault((sample.name, labels), sample.value)
    return _with(_WELL, (_moving(name, labels, value) for (name, labels), value in found.items()))


def receiver() -> list[Line]:
    """What a receiver says, of what the rules name."""
    asked = shipped.metrics()
    families = (family for family in names.RECEIVER_FAMILIES if family.name in asked)
    lines = (_moving(family.name, labels, 0.0) for family in families for labels in _each(family, family.labels))
    return _with(_WELL, lines)


def recordings(lines: Sequence[Line]) -> list[Line]:
    """What Prometheus recorded of the lines in the past, of what a rule looks back over for long.

    A recording is named level:metric:operations: it has the labels of its level, and moves as its metric does.
    """
    back = looks_back()
    recorded = {rule["record"] for rule in shipped.rules() if "record" in rule and back(rule["record"]) >= AN_HOUR}
    found: dict[tuple[str, Labels], Line] = {}
    for name in sorted(recorded):
        level, metric, _ = name.split(":")
        for line in lines:
            if line.name == metric:
                labels = tuple((label, value) for label, value in line.labels if label in level.split("_"))
                found[name, labels] = line._replace(name=name, labels=labels)
    return list(found.values())


def sick(lines: Iterable[Line]) -> list[Line]:
    """The same machine, short of RAM, hot, and with a stranger on its GPUs."""
    return _with(_SICK, lines)


def machines(count: int) -> list[str]:
    """Their names."""
    return [f"machine-{number:04d}" for number in range(count)]


def is_sick(machine: str) -> bool:
    """Whether this one is."""
    return int(machine.rpartition("-")[2]) % SICK_EVERY == SICK_EVERY - 1


def page(lines: Sequence[Line], begins: float, now: float) -> str:
    """The lines as `/metrics` text; the machine's name is still to be put in."""
    return "".join(f"{line.name}{_text(line.labels)} {line.at(begins, now)!r}\n" for line in lines)


def looks_back() -> Callable[[str], float]:
    """For how many seconds the rules look back at a metric."""
    expressions = [rule["expr"] for rule in shipped.rules()]

    def seconds(metric: str) -> float:
        about = [text for text in expressions if re.search(rf"(?<![\w:]){metric}(?!\w)", text)]
        direct = re.compile(rf"(?<![\w:]){metric}(?:{{[^}}]*}})?\[(\w+)\]")
        found = [match for text in about for match in (*direct.findall(text), *re.findall(r"\[(\w+):\w+\]", text))]
        return max((_seconds(one) for one in found), default=300)

    return seconds


def _seconds(duration: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([smhd])", duration))


def _with(values: Mapping[str, float], lines: Iterable[Line]) -> list[Line]:
    return [line._replace(value=values.get(line.name, line.value)) for line in lines]


def _everywhere(labels: dict[str, str]) -> Iterator[Labels]:
    """The labels for every run and GPU where they name one."""
    for number, run in enumerate(RUNS if labels.get("run") else ("",)):
        own = range(number * GPUS // len(RUNS), (number + 1) * GPUS // len(RUNS)) if run else range(GPUS)
        for gpu in own if "gpu" in labels else (0,):
            here = {"run": run, "gpu": str(gpu), "uuid": f"GPU-{MACHINE}-{gpu}"}
            yield tuple((name, here[name] if name in here and value else value) for name, value in labels.items())


def _moving(name: str, labels: Labels, value: float) -> Line:
    if name.endswith("_timestamp_seconds"):
        ago = NOW - value if value else 86400.0
        return Line(name, labels, -ago, a_second=float(ago < 60))
    swings = any(name == family.name for family in _SWINGS)
    return Line(name, labels, value, _A_SECOND.get(name, 0.0), 0.01 if swings else 0.0)


def _each(family: Family, left: Sequence[str]) -> Iterator[Labels]:
    if not left:
        yield ()
        return
    for value in _values(family, left[0]):
        yield from (((left[0], value), *rest) for rest in _each(family, left[1:]))


def _values(family: Family, label: str) -> list[str]:
    return _REASONS[family.name] if label == "reason" else _VALUES.get(label, ["one"])


def _text(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""
