"""The output follower beside mtail and a plain loop, on one log; and what it needs where a line never ends."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.bench import Bench
from tests.bench.programs import REPOSITORY
from tests.bench.report import Part, Target, number
from tests.support.ports import free_port

LOG_BYTES = 100 * 1000**2
LINE_BYTES = 1000**3
MEGABYTE = 1024**2
_BAR_BYTES = 94

_PROGRAM = r"""
gauge step
/\|\s+(?P<at>\d+)\/\d+ \[/ {
  step = $at
}
"""
"""mtail's, with one pattern: the step."""


def run(bench: Bench) -> Part:
    """Generate the log, and let each read it from beginning to end."""
    share = 10 if bench.quick else 1
    log = bench.folder / "training.log"
    bench.say(f"writing {LOG_BYTES // share / 1e6:.0f} MB of progress bars")
    lines = write(log, LOG_BYTES // share)
    bench.say("the follower reads it")
    ours = _feed(log)
    bench.say("a plain loop reads it")
    plain = _timed(lambda: _loop(log))
    rows = [
        _row("trainwarden's follower", ours["seconds"], log, f"{ours['steps']:,}"),
        _row("a Python loop with one pattern", plain, log, f"{lines:,}"),
    ]
    targets = []
    if bench.programs.mtail:
        bench.say("mtail reads it")
        mtail = _mtail(bench.programs.mtail, log, bench.folder)
        rows.insert(1, _row("mtail with one pattern", mtail, log, ""))
        targets.append(Target("throughput against mtail", mtail / ours["seconds"], 5, "×", least=True))
    bench.say(f"a line of {LINE_BYTES // share / 1e6:.0f} MB")
    endless = _feed(LINE_BYTES // share)
    seconds = endless["seconds"]
    rows.append(("a line without an end", number(seconds), _rate(LINE_BYTES // share, seconds), ""))
    targets.append(Target("memory that the line without an end adds", endless["grown"] / MEGABYTE, 1, "MB"))
    title = f"{LOG_BYTES // share / 1e6:.0f} MB of tqdm's bars, {lines:,} lines"
    return Part(title, ("", "seconds", "MB/s", "steps seen"), rows, targets)


def write(log: Path, size: int) -> int:
    """Fill ``log`` with about that many bytes of kohya's bar, a step a line; returns how many lines."""
    lines = size // _BAR_BYTES
    with log.open("w") as file:
        file.writelines(_bar(step, lines) for step in range(1, lines + 1))
    return lines


def _bar(step: int, total: int) -> str:
    done = 10 * step // total
    loss = 0.09 + step % 97 / 10_000
    left = f"{step // 24:d}:{step % 60:02d}<{(total - step) // 24}:{step % 60:02d}"
    bar = "█" * done + " " * (10 - done)
    return f"steps: {100 * step // total:3d}%|{bar}| {step}/{total} [{left},  2.50s/it, avr_loss={loss:.4f}]\n"


def _feed(source: Path | int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.feeding", str(source)]
    return dict(json.loads(subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True).stdout))


def _mtail(program: Path, log: Path, folder: Path) -> float:
    (folder / "steps.mtail").write_text(_PROGRAM)
    command = [program, "-one_shot", "-progs", folder / "steps.mtail", "-logs", log, "-log_dir", folder]
    command += ["-address", "127.0.0.1", "-port", str(free_port())]
    return _timed(lambda: subprocess.run(command, check=True, capture_output=True))


def _loop(log: Path) -> None:
    pattern = re.compile(r"\|\s+(\d+)/\d+ \[")
    with log.open() as file:
        for line in file:
            pattern.search(line)


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def _row(name: str, seconds: float, log: Path, steps: str) -> tuple[str, ...]:
    return (name, number(seconds), _rate(log.stat().st_size, seconds), steps)


def _rate(size: int, seconds: float) -> str:
    return number(size / 1e6 / seconds)
