"""When the callbacks enter a phase and leave it, in trainings of this very process that belong to no run."""

import importlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from trainwarden.heartbeat import Heartbeat

pytestmark = pytest.mark.heavy


class Recorded(Heartbeat):
    """Writes down each phase and the step at which it began."""

    def __init__(self) -> None:
        super().__init__()
        self.phases: list[tuple[str, int | None]] = []

    def _note(self) -> None:
        now = (self.current_phase, self._count.step)
        if not self.phases or self.phases[-1][0] != now[0]:
            self.phases.append(now)

    def start(self, *args: Any, **kwargs: Any) -> None:
        super().start(*args, **kwargs)
        self._note()

    def step(self, *args: Any, **kwargs: Any) -> None:
        super().step(*args, **kwargs)
        self._note()

    def enter(self, phase: str) -> None:
        super().enter(phase)
        self._note()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    monkeypatch.delenv("TRAINWARDEN_RUN", raising=False)
    importlib.import_module("torch").set_num_threads(1)  # models this small only wait for each other's threads
    return Recorded()


@pytest.mark.parametrize(
    ("settings", "between"),
    [
        ({}, ["evaluating", "checkpointing"]),
        ({"eval_strategy": "no"}, ["checkpointing"]),
        ({"save_strategy": "no"}, ["evaluating"]),
        ({"eval_strategy": "epoch", "save_strategy": "epoch"}, ["evaluating", "checkpointing"]),
    ],
)
def test_huggingface_evaluates_and_saves_between_steps(
    tmp_path: Path, recorded: Recorded, settings: dict[str, str], between: list[str]
) -> None:
    huggingface = importlib.import_module("trainwarden.integrations.huggingface")
    script = importlib.import_module("tests.frameworks.train_hf")
    options = script.options_of(["--output-dir", str(tmp_path), "--epochs", "2", "--step-seconds", "0"])
    trainer = script.trainer_of(options, **settings)
    trainer.add_callback(huggingface.TrainwardenCallback(recorded))
    trainer.train()
    every = 15 if "epoch" in settings.values() else 10
    expected: list[tuple[str, int]] = [("starting", 0), ("training", 1)]
    for step in range(every, 31, every):
        expected += [*((phase, step) for phase in between), ("training", step)]
    # What comes after the last step is an evaluation to whoever waits for another one.
    assert recorded.phases == [*expected, ("evaluating", 30)]


def test_an_evaluation_before_the_first_step_is_none_between_steps(tmp_path: Path, recorded: Recorded) -> None:
    huggingface = importlib.import_module("trainwarden.integrations.huggingface")
    script = importlib.import_module("tests.frameworks.train_hf")
    options = script.options_of(["--output-dir", str(tmp_path), "--epochs", "1", "--step-seconds", "0"])
    trainer = script.trainer_of(options, eval_on_start=True, save_strategy="no")
    trainer.add_callback(huggingface.TrainwardenCallback(recorded))
    trainer.train()
    assert recorded.phases[:4] == [("starting", 0), ("evaluating", 0), ("starting", 0), ("training", 1)]
    trainer.evaluate()
    assert recorded.current_phase == "evaluating", "after the training there is no step to go on with"


def test_lightning_validates_and_saves_between_steps(tmp_path: Path, recorded: Recorded) -> None:
    integration = importlib.import_module("trainwarden.integrations.lightning")
    script = importlib.import_module("tests.frameworks.train_lightning")
    options = script.options_of(["--output-dir", str(tmp_path), "--epochs", "2", "--step-seconds", "0"])
    trainer = script.trainer_of(options)
    trainer.callbacks.insert(0, integration.TrainwardenCallback(recorded))
    trainer.fit(script.Line(0), script.loader(20), script.loader(6))
    assert recorded.phases == [
        ("evaluating", None), ("starting", None), ("training", 1),
        ("evaluating", 20), ("training", 20), ("checkpointing", 20), ("training", 20),
        ("evaluating", 40), ("training", 40), ("checkpointing", 40), ("evaluating", 40),
    ]  # fmt: skip


def test_a_tensor_with_its_graph_is_a_loss_and_costs_no_warning(recorded: Recorded) -> None:
    torch = importlib.import_module("torch")
    loss = (torch.ones(1, requires_grad=True) * 0.5).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recorded.step(1, loss=loss)
    assert recorded._count.loss == 0.5


def test_of_a_training_with_pytorch_lightning_its_own_callback_is_one() -> None:
    """In a process of its own: which of the two packages was imported first is what counts."""
    code = "import pytorch_lightning as p; from trainwarden.integrations.lightning import TrainwardenCallback as T"
    done = subprocess.run([sys.executable, "-c", f"{code}; assert issubclass(T, p.Callback)"], check=False, timeout=120)
    assert done.returncode == 0
