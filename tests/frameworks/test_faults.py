"""Real trainings that meet three faults in a row arrive exactly where an undisturbed one does.

Hugging Face's Trainer on the CPU, and the demo, which is shaped like kohya's trainer. Everything is real but the GPU
and the alert, which is sent by hand: the rules have tests of their own.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.night import Night, Run
from tests.frameworks.conftest import HERE
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

pytestmark = [pytest.mark.heavy, pytest.mark.waits, pytest.mark.timeout(600)]

HF = [sys.executable, str(HERE / "train_hf.py"), "--epochs", "3"]
SLOW = ["--step-seconds", "0.3"]
"""So that a fault strikes where it is meant to; the undisturbed training, to which none happens, need not wait."""
HF_RESUME = {"arguments": ["--resume-from-checkpoint", "{checkpoint}"]}


@pytest.fixture
def watch(tmp_path: Path, tools: Tools, nvml_library: Path) -> Iterator[Night]:
    driver = FakeDriver(nvml_library, tmp_path / "nvml.script", gpus=1)
    driver.set(0, utilization=0)
    watch = Night(tmp_path, tools, driver)
    watch.environment |= {"OMP_NUM_THREADS": "1"}
    yield watch
    watch.close()


def watch_over(watch: Night, **settings: object) -> None:
    """The run luca on the card, with exporter and receiver; the alerts are sent by hand."""
    watch.configure({"luca": {"gpus": [0], **settings}})
    for service in ("exporter", "receiver"):
        watch.start(service)


def meet(watch: Night, run: Run, step: int, name: str, fault: Callable[[int], None]) -> None:
    """At this step the fault strikes, an alert tells of it, and the next generation goes on."""
    wait_until(lambda: run.step() >= step, 120, f"the training is at step {step}")
    generation = run.generation()
    fault(run.training_pid())

    def resumed() -> bool:
        watch.alert(name, run, generation)
        return run.generation() > generation

    wait_until(resumed, 90, f"generation {generation + 1} is launched", every=0.5)
    wait_until(run.step, 60, "it takes its first step")


def sends(number: int) -> Callable[[int], None]:
    return lambda pid: os.kill(pid, number)


def of_itself(_: int) -> None:
    """It hangs without being told."""


def test_huggingfaces_trainer_across_three_faults(watch: Night, tmp_path: Path) -> None:
    calm, out = tmp_path / "calm", tmp_path / "out"
    undisturbed = [*HF, "--step-seconds", "0", "--output-dir", str(calm)]
    subprocess.run(undisturbed, check=True, capture_output=True, timeout=300, env=watch.environment)
    watch_over(watch, recipe="hf", resume=HF_RESUME, checkpoints=str(out))
    run = watch.launch_command("luca", [*HF, *SLOW, "--output-dir", str(out)])
    meet(watch, run, 13, "TrainwardenRunCrashed", sends(signal.SIGKILL))
    meet(watch, run, 24, "TrainwardenRunHung", sends(signal.SIGUSR1))
    meet(watch, run, 35, "TrainwardenRunCrashed", sends(signal.SIGSEGV))
    assert run.exit_code(120) == 0
    assert [Path(entry["checkpoint"]).name for entry in run.ledger("launched")] == [
        "checkpoint-10", "checkpoint-20", "checkpoint-30",
    ]  # fmt: skip
    assert run.generation() == 4
    for name in ("checkpoint-40", "checkpoint-45"):
        arrived, expected = ((folder / name / "model.safetensors").read_bytes() for folder in (out, calm))
        assert arrived == expected, "not where an undisturbed training arrives"


def test_a_trainer_shaped_like_kohyas_across_three_faults(watch: Night, undisturbed: bytes) -> None:
    watch_over(watch)
    options = {"max_train_epochs": 8, "steps_per_epoch": 10, "save_every_n_epochs": 1, "save_last_n_epochs": 3}
    run = watch.launch("luca", **options, **{"step_seconds": 0.3, "hang-at-step": 25})
    meet(watch, run, 24, "TrainwardenRunHung", of_itself)
    meet(watch, run, 45, "TrainwardenRunCrashed", sends(signal.SIGKILL))
    meet(watch, run, 65, "TrainwardenRunCrashed", sends(signal.SIGSEGV))
    assert run.exit_code(120) == 0
    assert [Path(entry["checkpoint"]).name for entry in run.ledger("launched")] == [
        "luca-000002-state", "luca-000004-state", "luca-000006-state",
    ]  # fmt: skip
    assert (run.checkpoints / "luca.safetensors").read_bytes() == undisturbed
