"""What a step costs the thread that trains. ``python -m tests.heartbeat.cost`` prints it."""

import os
import tempfile
import time
from unittest.mock import patch

from trainwarden import names
from trainwarden.heartbeat import Heartbeat
from trainwarden.runs.folder import RunFolder


def microseconds_a_step(steps: int = 1_000_000) -> float:
    """The mean over a plain loop, microseconds of wall time, with its file written every second."""
    variables = {names.RUN_ENVIRONMENT: "cost", names.GENERATION_ENVIRONMENT: "1"}
    with tempfile.TemporaryDirectory() as state, patch.dict(os.environ, {**variables, "XDG_STATE_HOME": state}):
        folder = RunFolder("cost")
        folder.create()
        with Heartbeat(max_steps=steps) as heartbeat:
            before = time.perf_counter()
            for step in range(1, steps + 1):
                heartbeat.step(step, loss=0.5)
            seconds = time.perf_counter() - before
        (progress,) = folder.read_progress()
        assert progress.steps_done == steps
    return seconds / steps * 1e6


if __name__ == "__main__":
    print(f"a step: {microseconds_a_step():.2f} µs")
