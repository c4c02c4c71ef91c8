"""The runs of the recorded machine: ``luca`` in training, ``mia`` finished, and ``noa`` that is only watched."""

from pathlib import Path

from tests.checkpoints.making import make_parts, write_json
from tests.golden import kohya
from tests.golden.host import BOOT_ID
from trainwarden.model import Ended, Identity, Member, Outcome, Phase, Progress, RunSpec, RunState, StepDurations
from trainwarden.runs.folder import RunFolder

NOW = 1_764_000_000.0
STEPS_PER_EPOCH = 855
GIB = 1024**3

DURATIONS = StepDurations(counts=[0, 0, 0, 0, 0, 12, 2190, 2040, 26, 5, 2, 0, 0, 0, 0], sum=10687.5)
"""4,275 steps of about 2.5 s."""

BAR = (
    b"\rsteps:  42%|\x1b[32m\xe2\x96\x88\xe2\x96\x88\x1b[0m  | 4274/10260 [2:57:25<4:08:31,  2.49s/it, avr_loss=0.0914]"
    b"\rsteps:  42%|\x1b[32m\xe2\x96\x88\xe2\x96\x88\x1b[0m  | 4275/10260 [2:57:28<4:08:28,  2.49s/it, avr_loss=0.0913]"
)
"""The end of luca's output."""


def build(root: Path, models: Path, namespace: int) -> None:
    """Make their folders under ``root`` and what they saved under ``models``; ``namespace`` is that of their pids."""
    _training(root, models / "luca", namespace)
    _finished(root, models / "mia", namespace)
    _watched(root, models / "noa", namespace)


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
            settings={"gradient_checkpointing": 0.0, "lowram": 0.0, "vae_batch_size": 2.0},
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
            gpus=["0"],
            gpus_by_bus=True,
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

    RunFolder("luca", root).output_path(1).write_bytes(BAR)


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
            gpus_by_bus=True,
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


def _watched(root: Path, models: Path, namespace: int) -> None:
    """Run ``noa``, on the second card: Hugging Face's trainer, there before trainwarden came, saves every 500 steps."""
    started = NOW - 2 * 3600
    files = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")
    for step in (500, 1000):
        folder = make_parts(models / f"checkpoint-{step}", files, started + step * 6)
        write_json(folder / "trainer_state.json", {"global_step": step, "max_steps": 3000})
    training = Identity(BOOT_ID, 5100, 7_600_000, namespace)
    _write(
        RunFolder("noa", root),
        RunSpec(
            name="noa",
            run_id="0b5e11ed",
            command=["python", "train.py", "--output_dir", "out"],
            cwd="/home/user/noa",
            recipe="hf",
            checkpoints=str(models),
            attached=True,
            created_at=started + 1800,
        ),
        RunState(
            run_id="0b5e11ed",
            generation=1,
            open=True,
            beat_at=NOW - 0.7,
            beat_monotonic=86400.0,
            started_at=started,
            training=training,
            members=[Member(5100, 7_600_000, "R")],
            rss_bytes=6 * GIB,
            threads=41,
            cpu_seconds=7_010.25,
            io_bytes=4 * GIB,
            gpus=["1"],
            gpus_by_bus=True,
        ),
        Progress(
            writer="output",
            generation=1,
            phase=Phase.EVALUATING,
            phase_since=NOW - 40,
            beat_at=NOW - 2.5,
            step=1_160,
            max_steps=3_000,
            last_step_at=NOW - 41,
            steps_done=860,
            durations=StepDurations(counts=[0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 830, 10, 0, 0, 0], sum=5_160.0),
            median_step_seconds=6.0,
            framework="hf",
        ),
    )
    RunFolder("noa", root).write_progress(
        Progress(
            writer="heartbeat",
            generation=1,
            phase=Phase.EVALUATING,
            phase_since=NOW - 40,
            beat_at=NOW - 40,
            step=1_160,
            last_step_at=NOW - 41,
            steps_done=860,
        )
    )


def _write(folder: RunFolder, spec: RunSpec, state: RunState, progress: Progress) -> None:
    folder.create()
    folder.write_spec(spec)
    folder.write_state(state)
    folder.write_progress(progress)
