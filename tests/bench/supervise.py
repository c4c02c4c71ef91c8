"""What ``trainwarden run`` keeps beside a training that prints ten lines a second: a keeper and a supervisor."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.bench import Bench
from tests.bench.processes import cpu_seconds, resident_bytes
from tests.bench.report import Part, Target, number
from tests.support.wait import wait_until
from trainwarden import system

_PRINTING = Path(__file__).with_name("printing.py")
_NAME = "printing"
_WARM_SECONDS = 5.0
MEGABYTE = 1024**2


class Pair(NamedTuple):
    """The pids of the two."""

    keeper: int
    supervisor: int


def run(bench: Bench) -> Part:
    """Start it, look at both for a while, and stop it."""
    seconds = 10 if bench.quick else 40
    with _running(bench.folder) as pair:
        bench.say(f"a keeper and a supervisor beside a training that prints, for {seconds} s")
        bench.sleep(_WARM_SECONDS)
        before = [cpu_seconds(pid) for pid in pair]
        bench.sleep(seconds)
        shares = [(cpu_seconds(pid) - cpu) / seconds * 100 for pid, cpu in zip(pair, before, strict=True)]
        sizes = [resident_bytes(pid) / MEGABYTE for pid in pair]
    rows = [(who, *map(number, figures)) for who, *figures in zip(Pair._fields, shares, sizes, strict=True)]
    targets = [
        Target("keeper, RSS", sizes[0], 15, "MB"),
        Target("supervisor, RSS", sizes[1], 25, "MB"),
        Target("both, CPU", sum(shares), 0.2, "% of a core"),
    ]
    return Part("Beside a training that prints ten lines a second", ("", "CPU, % of a core", "RSS, MB"), rows, targets)


@contextmanager
def _running(folder: Path) -> Iterator[Pair]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    trainwarden = [sys.executable, "-m", "trainwarden"]
    training = [sys.executable, str(_PRINTING), "3600"]

    def ask(*arguments: str) -> None:
        subprocess.run([*trainwarden, *arguments], env=environment, cwd=folder, check=True, capture_output=True)

    ask("run", _NAME, "--detach", "--", *training)
    try:
        yield wait_until(lambda: _pair(folder / "trainwarden/runs" / _NAME), 20, "keeper and supervisor live")
    finally:
        ask("stop", _NAME)


def _pair(run: Path) -> Pair | None:
    keeper = json.loads((run / "keeper.json").read_bytes())["keeper"]["pid"]
    stats = (system.read_stat(pid) for pid in system.all_pids())
    children = [stat.pid for stat in stats if stat and stat.parent == keeper]
    supervisors = [pid for pid in children if b"supervise.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return Pair(keeper, supervisors[0]) if supervisors else None
