"""The machine on the bench: a GPU driver that is the same for all, and runs as their folders hold them."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.golden import kohya
from tests.support.nvml import FakeDriver
from trainwarden import system
from trainwarden.model import Identity, Member, Phase, Progress, RunSpec, RunState, StepDurations
from trainwarden.runs.folder import RunFolder

GPUS = 8
CALL_MICROSECONDS = 20
GIB = 1024**3
STEPS_PER_EPOCH = 855


@contextmanager
def gpus(library: Path, folder: Path) -> Iterator[tuple[FakeDriver, list[int]]]:
    """Eight GPUs with one process each, and the processes' pids; they do nothing but live."""
    with ExitStack() as stack:
        sleepers = [stack.enter_context(_sleeper()) for _ in range(GPUS)]
        driver = FakeDriver(library, folder / "nvml.script", gpus=GPUS)
        driver.set(delay_us=CALL_MICROSECONDS)
        for gpu, pid in enumerate(sleepers):
            driver.set(gpu=gpu, processes=[(pid, 12 * GIB)])
        yield driver, sleepers


@contextmanager
def _sleeper() -> Iterator[int]:
    process = subprocess.Popen(["sleep", "86400"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def state_home(folder: Path, runs: int, members: list[int], gpus: list[int] | None = None) -> dict[str, str]:
    """Make a state folder with so many runs in training; the environment in which a process finds it, and no other."""
    for number in range(runs):
        name = f"run-{number:02d}"
        models = folder / "models" / name
        for epoch in (2, 4):
            kohya.save(models, name, epoch, time.time() - 7200 + epoch * 600)
        write_run(folder, name, models, members, gpus)
    return {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder), "TRAINWARDEN_CONFIG": ""}


def write_run(folder: Path, name: str, models: Path, members: list[int], gpus: list[int] | None = None) -> None:
    """One run in epoch 6 of 12, at the guide's pace."""
    now = time.time()
    spec = RunSpec(
        name=name,
        run_id=name,
        command=["accelerate", "launch", "train_network.py"],
        cwd="/",
        recipe="kohya",
        checkpoints=str(models),
        output_name=name,
        gpus=gpus,
        created_at=now - 10800,
    )
    state = RunState(
        run_id=name,
        generation=1,
        open=True,
        beat_at=now + 86400,  # nobody is there to beat, and an old beat would end the run while it is measured
        beat_monotonic=system.monotonic(),
        started_at=now - 10800,
        training=_identity(members[0] if members else os.getpid()),
        members=[Member(pid, _identity(pid).start_time, "S") for pid in members],
        rss_bytes=11 * GIB,
        cpu_seconds=11_820.5,
        io_bytes=9 * GIB,
    )
    run = RunFolder(name, folder / "state/trainwarden/runs")
    run.create()
    run.write_spec(spec)
    run.write_state(state)
    run.write_progress(_progress(now))


def _identity(pid: int) -> Identity:
    return Identity(**(system.identify(pid) or {}))


def _progress(now: float) -> Progress:
    return Progress(
        writer="output",
        generation=1,
        phase=Phase.TRAINING,
        phase_since=now - 10400,
        beat_at=now,
        step=5 * STEPS_PER_EPOCH,
        max_steps=12 * STEPS_PER_EPOCH,
        epoch=6,
        max_epochs=12,
        loss=0.0913,
        last_step_at=now,
        steps_done=5 * STEPS_PER_EPOCH,
        durations=StepDurations(counts=[0, 0, 0, 0, 0, 12, 2190, 2040, 26, 5, 2, 0, 0, 0, 0], sum=10687.5),
        median_step_seconds=2.49,
        saves=2,
    )
