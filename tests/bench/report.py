"""What the bench found: tables, and targets that are met or missed."""

import json
import os
import platform
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Target(NamedTuple):
    """A figure and its bound."""

    what: str
    found: float
    bound: float
    unit: str = ""
    least: bool = False
    """Whether the figure is to be the bound at least; else at most."""

    @property
    def met(self) -> bool:
        """Whether the figure keeps to its bound."""
        return self.found >= self.bound if self.least else self.found <= self.bound


class Part(NamedTuple):
    """One part of the bench."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    targets: list[Target]
    notes: tuple[str, ...] = ()


def number(value: float, unit: str = "") -> str:
    """Three digits that matter, and the unit."""
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def machine() -> str:
    """What this was measured on: how many cores of which processor, and the software that counts."""
    model = next((line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    processor = f"{cores} cores of {model or platform.machine()}"
    linux = ".".join(platform.release().split(".")[:2])
    return f"{processor}, Linux {linux}, Python {platform.python_version()}"


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []


def now() -> str:
    """The day, in UTC."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%d")


def show(parts: Iterable[Part], console: Console) -> None:
    """Print every table, and below it its targets; green is met and red is missed, where colours are shown."""
    for part in parts:
        console.print()
        console.print(_table(part), soft_wrap=True)
        for target in part.targets:
            console.print(_said(target), highlight=False, soft_wrap=True)
        for note in part.notes:
            console.print(f"[dim]{note}[/dim]", highlight=False, soft_wrap=True)


def _table(part: Part) -> Table:
    table = Table(title=part.title, title_justify="left", title_style="bold")
    for position, column in enumerate(part.columns):
        table.add_column(column, justify="left" if position == 0 else "right", no_wrap=True)
    for row in part.rows:
        table.add_row(*row)
    return table


def _said(target: Target) -> str:
    mark, colour = ("met", "green") if target.met else ("MISSED", "red")
    return f"[{colour}]{mark:>6}[/{colour}]  {target.what}: {describe(target)}"


def describe(target: Target) -> str:
    """The figure, and beside it the bound."""
    kind = "at least" if target.least else "at most"
    return f"{number(target.found, target.unit)} ({kind} {number(target.bound, target.unit)})"


def as_json(parts: Iterable[Part]) -> str:
    """Everything, for another program."""
    found: dict[str, Any] = {"date": now(), "machine": machine(), "parts": []}
    for part in parts:
        targets = [{**target._asdict(), "met": target.met} for target in part.targets]
        found["parts"].append({**part._asdict(), "targets": targets})
    return json.dumps(found, indent=2)


def as_markdown(parts: Iterable[Part]) -> str:
    """The tables and targets, as ``docs/benchmarks.md`` has them below its heading of figures."""
    return "\n".join([f"{now()}, {machine()}.\n", *(_markdown(part) for part in parts)])


def _markdown(part: Part) -> str:
    head = f"### {part.title}\n\n| {' | '.join(part.columns)} |\n|---|{'---:|' * (len(part.columns) - 1)}\n"
    rows = "".join(f"| {' | '.join(row)} |\n" for row in part.rows)
    targets = "".join(f"- {'met' if t.met else '**missed**'}: {t.what}: {describe(t)}\n" for t in part.targets)
    notes = "".join(f"\n{note}\n" for note in part.notes)
    return f"{head}{rows}\n{targets}{notes}"
