"""``python -m tests.scale`` (``make scale``): measure at each size and print it; progress goes to stderr."""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.bench import report
from tests.bench.report import Part, Target, number
from tests.conftest import REPOSITORY
from tests.scale import fleet
from tests.scale.measure import Group, Measured, measure
from trainwarden.stack import tools

PAGE = REPOSITORY / "docs" / "scale.md"
HEADING = "## The last figures\n"
SHARE = 0.1
"""Of its interval that a group may take."""
COLUMNS = ("group", "rules", "median, ms", "longest, ms", "longest, % of the interval")


def main() -> None:
    """Measure every size that was asked for."""
    asked = _arguments()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)

    prometheus = tools.locate(REPOSITORY / ".tools", say).prometheus
    parts = []
    for machines in asked.machines:
        with tempfile.TemporaryDirectory(prefix="trainwarden-scale-") as folder:
            parts.append(
                _part(measure(prometheus, Path(folder), machines, asked.evaluations, say, asked.history * 3600))
            )
    if asked.write:
        said, heading, _ = PAGE.read_text().partition(HEADING)
        PAGE.write_text(f"{said}{heading}\n{report.as_markdown(parts)}")
    else:
        report.show(parts, Console(width=None if sys.stdout.isatty() else 120))


def _part(found: Measured) -> Part:
    title = f"{found.machines:,} machines × {fleet.GPUS} GPUs × {len(fleet.RUNS)} runs, Prometheus {found.prometheus}"
    rows = [(name, str(group.rules), *_times(group)) for name, group in found.groups.items()]
    worst = max(max(group.took) / group.interval for group in found.groups.values())
    target = Target("the longest evaluation of any group, as a share of its interval", 100 * worst, 100 * SHARE, "%")
    return Part(title, COLUMNS, rows, [target], tuple(_notes(found)))


def _times(group: Group) -> tuple[str, ...]:
    median, longest = statistics.median(group.took), max(group.took)
    return number(1000 * median), number(1000 * longest), number(100 * longest / group.interval)


def _notes(found: Measured) -> list[str]:
    count = max(len(group.took) for group in found.groups.values())
    standing = ", ".join(f"{name} {number(many)}" for name, many in sorted(found.alerts.items()))
    slowest = ", ".join(f"{name} {number(1000 * took, 'ms')}" for name, took in found.slowest)
    return [
        f"{found.inputs:,} input series, {found.series:,.0f} in Prometheus' head; {count} evaluations of a group. "
        f"Prometheus took {number(found.cores)} cores and {number(found.resident_bytes / 1024**3)} GiB of memory, "
        f"scraping included. Load average of the machine at the end: {found.load:.1f}.",
        f"Alerts that stood: {standing or 'none'}.",
        f"The slowest rules, at their last evaluation: {slowest}.",
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description="What the rules cost, by machines.")
    parser.add_argument("machines", nargs="*", type=int, default=[100, 300, 1000], help="sizes (100 300 1000)")
    parser.add_argument("--evaluations", type=int, default=20, help="of each group (20)")
    parser.add_argument("--history", type=float, default=24, help="hours of it, at most (24)")
    parser.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name} instead of printing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
