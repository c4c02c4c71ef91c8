"""What a look costs where there are thousands of checkpoints: ``python -m tests.checkpoints.cost [HOW_MANY]``.

Prints milliseconds: of the first look, which reads every one, and of those that follow.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.checkpoints.making import make_weights
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import Catalog


def fill(folder: Path, many: int) -> None:
    """Weights of as many steps, long settled, in a folder that has not changed for a minute."""
    content = make_weights(folder / "first").read_bytes()
    (folder / "first").unlink()
    long_ago = time.time() - 60
    for step in range(many):
        path = folder / f"tiny-step{step:08d}.safetensors"
        path.write_bytes(content)
        os.utime(path, (long_ago, long_ago))
    os.utime(folder, (long_ago, long_ago))


def measure(catalog: Catalog) -> tuple[float, float]:
    """Of one look: wall clock and CPU time, ms."""
    begin, cpu = time.perf_counter(), time.process_time()
    catalog.list(time.time())
    return 1000 * (time.perf_counter() - begin), 1000 * (time.process_time() - cpu)


def main(many: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name), many)
        catalog = Catalog(RECIPES["kohya"], Path(name), "tiny", settle=5.0)
        first = measure(catalog)
        later = [measure(catalog) for _ in range(100)]
        changed = Path(name) / "tiny-step99999999.safetensors"
        changed.touch()
        anew = measure(catalog)
    print(f"{many} checkpoints: first look {first[0]:.0f} ms, after a change {anew[0]:.1f} ms")
    for name, values in zip(("wall", "CPU"), zip(*later, strict=True), strict=True):
        print(f"unchanged, {name}: p50 {statistics.median(values):.2f} ms, p99 {sorted(values)[98]:.2f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
