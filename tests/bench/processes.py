"""What a process costs, as the kernel counts it."""

import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_CPUCLOCK_SCHED = 2  # <linux/posix-timers.h>: user and system time, in nanoseconds, of threads that ended as well


def cpu_seconds(pid: int) -> float:
    """CPU time of a process since it began, its children's not counted; finer than the 10 ms of ``/proc/PID/stat``.

    Raises OSError where there is no such process.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def resident_bytes(pid: int | str = "self") -> int:
    """What a process has in memory now. Raises OSError where there is no such process."""
    return parse_resident(Path(f"/proc/{pid}/status").read_text())


def parse_resident(status: str) -> int:
    """``VmRSS`` of the text of ``/proc/PID/status``, in bytes."""
    found = re.search(r"(?m)^VmRSS:\s+(\d+) kB$", status)
    return int(found[1]) * 1024 if found else 0


@contextmanager
def started(
    command: list[str], environment: Mapping[str, str], folder: Path, log: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that works in ``folder``, writes its words into ``log`` there, and is ended on leaving."""
    with (folder / log).open("wb") as words:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdin=subprocess.DEVNULL, stdout=words, stderr=words
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
