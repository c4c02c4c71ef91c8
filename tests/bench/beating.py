"""A training that beats: ``python -m tests.bench.beating STEPS A_SECOND`` prints the mean microseconds of a step.

``A_SECOND`` steps a second; 0 is as fast as it goes.
"""

import sys
import time

from trainwarden.heartbeat import Heartbeat


def main() -> None:
    """Take the steps."""
    steps, a_second = int(sys.argv[1]), float(sys.argv[2])
    heartbeat = Heartbeat()
    began = time.perf_counter()
    for step in range(1, steps + 1):
        heartbeat.step(step, loss=0.09)
        if a_second:
            time.sleep(1 / a_second)
    print((time.perf_counter() - began) / steps * 1e6)


if __name__ == "__main__":
    main()
