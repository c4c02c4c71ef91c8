"""What a heartbeat costs the training that it beats in."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.programs import REPOSITORY
from tests.bench.report import Part, Target, number
from trainwarden import names
from trainwarden.runs.folder import RunFolder

STEPS = 2_000_000
A_SECOND = 200.0
_NAME = "beating"


def run(bench: Bench) -> Part:
    """As fast as it goes, for the cost of a step; and at a pace, for how often it writes."""
    run_folder = RunFolder(_NAME, bench.folder / "trainwarden/runs")
    run_folder.create()
    steps = STEPS // 10 if bench.quick else STEPS
    bench.say(f"{steps:,} heartbeats")
    with _beating(bench.folder, steps, 0) as child:
        microseconds = float(child.communicate()[0])
    seconds = 3 if bench.quick else 10
    bench.say(f"{A_SECOND:.0f} heartbeats a second, for {seconds} s")
    with _beating(bench.folder, int(seconds * A_SECOND), A_SECOND) as child:
        writes, watched = _writes(child, run_folder.progress_path("heartbeat", 0))
    if not writes:
        raise RuntimeError(f"the heartbeat wrote nothing into {run_folder.path}")
    rows = [
        ("a step, µs", number(microseconds)),
        (f"writes a second, at {A_SECOND:.0f} steps a second", number(writes / watched)),
    ]
    targets = [
        Target("a step", microseconds, 2, "µs"),
        # The first and the last are always written, whatever the second.
        Target("writes a second", max(0, writes - 2) / watched, 1),
    ]
    return Part("The heartbeat", ("", "found"), rows, targets)


def _beating(folder: Path, steps: int, a_second: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.bench.beating", str(steps), str(a_second)]
    tags = {names.RUN_ENVIRONMENT: _NAME, names.GENERATION_ENVIRONMENT: "1"}
    environment = {**os.environ, **tags, "XDG_STATE_HOME": str(folder)}
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE)


def _writes(child: "subprocess.Popen[bytes]", progress: Path) -> tuple[int, float]:
    """How often its progress file was replaced or written, and in how many seconds."""
    before = progress.stat().st_mtime_ns
    seen: set[int] = set()
    began = time.monotonic()
    while child.poll() is None:
        seen.add(progress.stat().st_mtime_ns)
        time.sleep(0.01)
    seen.discard(before)
    return len(seen), time.monotonic() - began
