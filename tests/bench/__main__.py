"""``python -m tests.bench`` (``make bench``): measure everything and print it; progress goes to stderr."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from tests.bench import compare, follower, growth, heartbeat, programs, report, supervise
from tests.bench.bench import Bench
from tests.bench.report import Part

PARTS: dict[str, Callable[[Bench], Part]] = {
    "compare": compare.run,
    "growth": growth.run,
    "follower": follower.run,
    "heartbeat": heartbeat.run,
    "supervise": supervise.run,
}


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
    elif asked.markdown:
        print(report.as_markdown(parts))
    else:
        console = Console(width=None if sys.stdout.isatty() else 120)
        console.print(f"[bold]trainwarden bench[/bold], {report.now()}, {report.machine()}", highlight=False)
        report.show(parts, console)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="a fast look; the figures swing")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown, as docs/benchmarks.md has it")
    return parser.parse_args()


if __name__ == "__main__":
    main()
