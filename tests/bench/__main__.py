"""``python -m tests.bench`` (``make bench``): measure everything and print it; progress goes to stderr."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench import compare, follower, growth, heartbeat, programs, report, restart, supervise
from tests.bench.bench import Bench
from tests.bench.report import Part

PARTS: dict[str, Callable[[Bench], Part]] = {
    "compare": compare.run,
    "growth": growth.run,
    "follower": follower.run,
    "heartbeat": heartbeat.run,
    "supervise": supervise.run,
    "restart": restart.run,
}


PAGE = programs.REPOSITORY / "docs" / "benchmarks.md"
HEADING = "## The last figures\n"


def main() -> None:
    """Run the parts that were asked for."""
    asked = _arguments()
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)

    found = programs.locate(say)
    parts = []
    for name in asked.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="trainwarden-bench-") as folder:
            parts.append(PARTS[name](Bench(found, Path(folder), asked.quick, say)))
    if asked.json:
        print(report.as_json(parts))
    elif asked.write:
        _write(report.as_markdown(parts))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print(f"[bold]trainwarden bench[/bold], {report.now()}, {report.machine()}", highlight=False)
        report.show(parts, console)


def _write(figures: str) -> None:
    """Put them in the place of the page's old ones, which are everything below its last heading."""
    said, heading, _ = PAGE.read_text().partition(HEADING)
    PAGE.write_text(f"{said}{heading}\n{figures}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="What trainwarden costs, beside its peers and the floor."
    )
    only = f"only these parts: {', '.join(PARTS)}"
    # The empty list: argparse holds what nobody asked for against the choices, too.
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=only)
    parser.add_argument("--quick", action="store_true", help="a fast look; the figures swing")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name} instead of printing them")
    asked = parser.parse_args()
    if asked.write and (asked.quick or asked.parts):
        parser.error("--write is for the whole bench: the page holds the figures of one run")
    return asked


if __name__ == "__main__":
    main()
