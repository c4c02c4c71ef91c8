"""Real saves by real libraries, into one folder, under one name. Each is made once, and then saves in a moment.

What a saver needs is imported when it is made: the process that runs it has the release of a library in front of it
that is to be tried.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.base import Recipe
from trainwarden.model import ResumeTemplate

MEBI = 1 << 20
SIZE = 24 * MEBI
"""Bytes of weights: large enough that most kills fall into the writing."""


class Saver(NamedTuple):
    """How to save, and how what was saved is found."""

    prepare: Callable[[int], Callable[[], object]]
    """Make what is to be saved, which differs by this number while its names do not, and return what saves it."""
    recipe: Recipe
    output_name: str | None = None


def safetensors(folder: Path) -> Saver:
    import numpy as np
    from safetensors.numpy import save_file

    def prepare(content: int) -> Callable[[], object]:
        parts = {f"lora.{part}": np.full((8, SIZE // 64), content + 1, np.float32) for part in ("up", "down")}
        return lambda: save_file(parts, folder / "tiny-000001.safetensors")

    return Saver(prepare, RECIPES["kohya"], "tiny")


def torch(folder: Path) -> Saver:
    import torch as library

    def prepare(content: int) -> Callable[[], object]:
        parts = {f"part.{part}": library.full((SIZE // 32,), content + 1.0) for part in range(8)}
        return lambda: library.save({"step": 1, "model": parts}, folder / "ckpt-1.pt")

    declared = ResumeTemplate(arguments=["--resume", "{checkpoint}"], glob="ckpt-{step}.pt")
    return Saver(prepare, RECIPES["torch"].declared(declared))


def lightning(folder: Path) -> Saver:
    import torch as library
    from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

    def prepare(content: int) -> Callable[[], object]:
        parts = {f"part.{part}": library.full((SIZE // 32,), content + 1.0) for part in range(8)}
        whole = {"epoch": 0, "global_step": 1, "state_dict": parts}
        return lambda: TorchCheckpointIO().save_checkpoint(whole, folder / "step=1.ckpt")

    return Saver(prepare, RECIPES["lightning"])


def kohya(folder: Path) -> Saver:
    """accelerate, with a hook that writes ``train_state.json`` first, as sd-scripts' does."""
    import json

    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    model, optimizer, scheduler = _model()
    model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
    _step(model, optimizer, scheduler)
    said = {"current_epoch": 1, "current_step": 0}

    def first(models: Any, weights: Any, output: str) -> None:
        (Path(output) / "train_state.json").write_text(json.dumps(said))

    accelerator.register_save_state_pre_hook(first)

    def prepare(content: int) -> Callable[[], object]:
        said["current_step"] = content
        _fill(model, optimizer, content)
        scheduler.scheduler.last_epoch = content
        return lambda: accelerator.save_state(str(folder / "tiny-000001-state"))

    return Saver(prepare, RECIPES["kohya"], "tiny")


def hf(folder: Path) -> Saver:
    """``Trainer`` itself, after it has trained a step."""
    import torch as library
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    model = GPT2LMHeadModel(GPT2Config(vocab_size=4096, n_positions=16, n_embd=256, n_layer=1, n_head=2))
    rows = [{"input_ids": library.ones(4, dtype=library.long), "labels": library.ones(4, dtype=library.long)}] * 2
    arguments = TrainingArguments(
        output_dir=str(folder), max_steps=2, per_device_train_batch_size=1, save_strategy="no", report_to=[],
        use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=rows)
    trainer.train()
    optimizer = trainer.optimizer
    assert optimizer is not None

    def prepare(content: int) -> Callable[[], object]:
        trainer.state.total_flos = content
        _fill(model, optimizer, content)
        return lambda: trainer._save_checkpoint(model, trial=None)

    return Saver(prepare, RECIPES["hf"])


def _model() -> tuple[Any, Any, Any]:
    import torch as library

    model = library.nn.Linear(SIZE // 4 // 1024 // 2, 1024, bias=False)
    optimizer = library.optim.AdamW(model.parameters())
    return model, optimizer, library.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def _step(model: Any, optimizer: Any, scheduler: Any) -> None:
    for parameter in model.parameters():
        parameter.grad = parameter.detach().clone()
    optimizer.step()
    scheduler.step()


def _fill(model: Any, optimizer: Any, content: int) -> None:
    """Make weights and moments of this save unlike those of another."""
    import torch as library

    library.manual_seed(content)
    with library.no_grad():
        for parameter in model.parameters():
            parameter.fill_(content + 1.0)
    for state in optimizer.state_dict()["state"].values():
        state["exp_avg"].fill_(content + 0.5)


SAVERS: dict[str, Callable[[Path], Saver]] = {
    "safetensors": safetensors,
    "torch": torch,
    "lightning": lightning,
    "kohya": kohya,
    "hf": hf,
}
