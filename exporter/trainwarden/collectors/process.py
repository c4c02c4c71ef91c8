"""What this process itself costs, under the names that every Prometheus client gives it."""

import os
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from trainwarden import names, system
from trainwarden.series import Series, build


def families(proc: Path = system.PROC) -> Iterator[Series]:
    """The exporter's (or receiver's) own memory, CPU time, open files and start."""
    stat = system.read_stat(os.getpid(), proc)
    if stat is None:  # /proc is another machine's
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for family, value in (
        (names.PROCESS_RESIDENT_MEMORY, stat.rss_bytes),
        (names.PROCESS_CPU, stat.cpu_seconds),
        (names.PROCESS_THREADS, stat.threads),
        (names.PROCESS_OPEN_FDS, len(os.listdir(proc / "self/fd"))),  # noqa: PTH208  (no Path a file)
        (names.PROCESS_MAX_FDS, soft),
        (names.PROCESS_START, _boot_time(proc) + stat.start_time / system.clock_ticks()),
    ):
        yield build(family, [((), value)])


@cache  # (the file is long where there are many interrupts, and the boot is over)
def _boot_time(proc: Path) -> int:
    return next(int(line.split()[1]) for line in (proc / "stat").read_text().splitlines() if line.startswith("btime "))
