"""One follower in a process of its own: ``python -m tests.bench.feeding FILE|BYTES`` prints what it took as JSON.

With a number instead of a file, that many bytes without an end of line.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.processes import resident_bytes
from trainwarden.runs.follow import Follower

CHUNK = 64 * 1024
_WARM = 256
"""Chunks after which memory counts as what the process needs anyway."""


def main() -> None:
    """Feed it, and say what came of it."""
    source = sys.argv[1]
    chunks = _endless(int(source)) if source.isdecimal() else _read(Path(source))
    follower = Follower(1, time.time())
    warm = peak = 0
    began, cpu = time.perf_counter(), time.process_time()
    for number, chunk in enumerate(chunks):
        follower.feed(chunk, time.time())
        if number % _WARM == _WARM - 1:
            peak = max(peak, resident_bytes())
            warm = warm or peak
    follower.finish(time.time())
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    steps = follower.progress().steps_done
    print(json.dumps({"seconds": seconds, "cpu": cpu, "steps": steps, "grown": peak - warm}))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _endless(size: int) -> Iterator[bytes]:
    chunk = (b"\x1b[32m# 12% |#### " * CHUNK)[:CHUNK]
    for _ in range(size // CHUNK):
        yield chunk


if __name__ == "__main__":
    main()
