"""The machine whose ``/metrics`` is golden: the guide's own, with one run in training and one that finished.

``python -m tests.golden.machine FOLDER`` builds it in FOLDER and prints its metrics; a child of ``render``, because the
fake GPU driver is found through the environment that a process starts with.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.golden import host, kohya
from tests.golden.host import BOOT_ID
from tests.support.nvml import FakeDriver
from trainwarden import system, textformat
from trainwarden.collectors.machine import Machine
from trainwarden.config import Config
from trainwarden.model import Ended, Identity, Member, Outcome, Phase, Progress, RunSpec, RunState, StepDurations
from trainwarden.runs.folder import RunFolder

NOW = 1_764_000_000.0
STEPS_PER_EPOCH = 855
GIB = 1024**3

DURATIONS = StepDurations(counts=[0, 0, 0, 0, 0, 12, 2190, 2040, 26, 5, 2, 0, 0, 0, 0], sum=10687.5)
"""4,275 steps of about 2.5 s."""


def render(library: Path, folder: Path) -> str:
    """The golden text: what the exporter of this machine says."""
    driver = FakeDriver(library, folder / "nvml.script")
    driver.set(gpu=0, processes=[(4242, int(15.1 * GIB)), (1711, int(0.5 * GIB))])
    command = [sys.executable, "-m", "tests.golden.machine", str(folder)]
    environment = {**os.environ, **driver.environment()}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    return _normalised(said.stdout)


def _normalised(text: str) -> str:
    text = re.sub(r"(?m)^(trainwarden_collector_duration_seconds\{.*\}) .*$", r"\1 0.001", text)
    return re.sub(r'(trainwarden_build_info\{version=)"[^"]*"', r'\1"0.0.0"', text)


def build(folder: Path) -> Machine:
    """Make the machine's files under ``folder``."""
    proc = folder / "proc"
    host.write(proc)
    namespace = system.pid_namespace(proc)
    _training(folder / "runs", folder / "models/luca", namespace)
    _finished(folder / "runs", folder / "models/mia", namespace)
    return Machine(Config(), folder / "runs", proc, clock=lambda: NOW)


def _training(root: Path, models: Path, namespace: int) -> None:
    """Run ``luca`` has begun epoch 6 of 12 at the guide's pace; it saved after epochs 2 and 4."""
    started = NOW - 3 * 3600
    for epoch in (2, 4):
        kohya.save(models, "luca", epoch, started + 400 + epoch * STEPS_PER_EPOCH * 2.5)
    _draw(models, 8)
    _write(
        RunFolder("luca", root),
        RunSpec(
            name="luca",
            run_id="5d1c1b6e",
            command=["accelerate", "launch", "train_network.py", "--config_file", "luca.toml"],
            cwd="/home/user/sd-scripts",
            recipe="kohya",
            checkpoints=str(models),
            output_name="luca",
            created_at=started,
        ),
        RunState(
            run_id="5d1c1b6e",
            generation=1,
            open=True,
            beat_at=NOW - 0.4,
            beat_monotonic=86400.0,
            started_at=started,
            training=Identity(BOOT_ID, 4240, 7_500_000, namespace),
            members=[Member(pid, 7_500_000 + pid, "S") for pid in (4240, 4242, 4250, 4251)],
            rss_bytes=11 * GIB,
            threads=87,
            cpu_seconds=11_820.5,
            io_bytes=9 * GIB,
        ),
        Progress(
            writer="output",
            generation=1,
            phase=Phase.TRAINING,
            phase_since=NOW - 10_400,
            beat_at=NOW - 1.2,
            step=5 * STEPS_PER_EPOCH,
            max_steps=12 * STEPS_PER_EPOCH,
            epoch=6,
            max_epochs=12,
            loss=0.0913,
            last_step_at=NOW - 1.2,
            steps_done=5 * STEPS_PER_EPOCH,
            durations=DURATIONS,
            median_step_seconds=2.49,
            saves=2,
            last_save_seconds=18.4,
            nonfinite_losses=1,
            framework="kohya",
        ),
    )


def _draw(models: Path, images: int) -> None:
    """Sample images, as kohya draws them."""
    (models / "sample").mkdir()
    for number in range(images):
        (models / f"sample/luca_e{number // 2 + 1:06d}_{number % 2:02d}_20251124153207.png").touch()


def _finished(root: Path, models: Path, namespace: int) -> None:
    """Run ``mia``, conservative, finished in its second generation four hours ago."""
    ended = NOW - 4 * 3600
    kohya.save(models, "mia", 2, ended - 600)
    kohya.save(models, "mia", None, ended - 10)
    _write(
        RunFolder("mia", root),
        RunSpec(
            name="mia",
            run_id="c0ffee01",
            command=["accelerate", "launch", "train_network.py", "--config_file", "mia.toml"],
            cwd="/home/user/sd-scripts",
            recipe="kohya",
            checkpoints=str(models),
            output_name="mia",
            profile="conservative",
            created_at=ended - 20_000,
        ),
        RunState(
            run_id="c0ffee01",
            generation=2,
            open=False,
            beat_at=ended,
            beat_monotonic=72_000.0,
            started_at=ended - 9_000,
            training=Identity(BOOT_ID, 3100, 5_000_000, namespace),
            cpu_seconds=8_100.25,
            io_bytes=7 * GIB,
            gpus=["0"],
            ended=Ended(Outcome.FINISHED, ended, exit_code=0),
        ),
        Progress(
            writer="output",
            generation=2,
            phase=Phase.TRAINING,
            phase_since=ended - 8_500,
            beat_at=ended,
            step=2_400,
            max_steps=2_400,
            epoch=4,
            max_epochs=4,
            loss=0.1021,
            last_step_at=ended - 12,
            steps_done=1_200,
            durations=StepDurations(counts=[0, 0, 0, 0, 0, 0, 0, 100, 1_100, 0, 0, 0, 0, 0, 0], sum=4_284.0),
            median_step_seconds=3.57,
            errors={"cuda_out_of_memory": 1},
            saves=2,
            framework="kohya",
        ),
    )


def _write(folder: RunFolder, spec: RunSpec, state: RunState, progress: Progress) -> None:
    folder.create()
    folder.write_spec(spec)
    folder.write_state(state)
    folder.write_progress(progress)


if __name__ == "__main__":
    os.statvfs = lambda _: host.ROOM  # the disk beneath this folder is not the recorded machine's
    sys.stdout.write(textformat.write(build(Path(sys.argv[1])).collect()).decode())
