"""A user's training with Hugging Face's Trainer: a tiny model on the CPU, with evaluation, saves and a resume.

Run as a program. Whether trainwarden's callback is added is the only thing that knows of trainwarden.
"""

import argparse
import signal
import threading
import time
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments


class Sentences(Dataset):
    """Made-up token ids and labels, the same at every start."""

    def __init__(self, count: int) -> None:
        random = torch.Generator().manual_seed(1)
        self._ids = torch.randint(5, 60, (count, 8), generator=random)

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = self._ids[index]
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.sum() % 2}


class SlowSteps(TrainerCallback):
    """Gives a step a length, as a real model would."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def on_step_begin(self, args, state, control, **kwargs):
        time.sleep(self._seconds)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--save-steps", type=int, default=10)
    parser.add_argument("--step-seconds", type=float, default=0.1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--resume-from-checkpoint")
    parser.add_argument("--callback", action="store_true")
    return parser.parse_args(arguments)


def trainer_of(options: argparse.Namespace, **more: Any) -> Trainer:
    torch.manual_seed(1)
    model = BertForSequenceClassification(
        BertConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    )
    usual = {
        "output_dir": options.output_dir,
        "num_train_epochs": options.epochs,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "eval_strategy": "steps",
        "eval_steps": 10,
        "save_steps": options.save_steps,
        "logging_steps": 5,
        "dataloader_num_workers": options.workers,
        "use_cpu": True,
        "report_to": "none",
    }
    arguments = TrainingArguments(**{**usual, **more})
    trainer = Trainer(model=model, args=arguments, train_dataset=Sentences(120), eval_dataset=Sentences(200))
    trainer.add_callback(SlowSteps(options.step_seconds))
    if options.callback:
        from trainwarden.integrations.huggingface import TrainwardenCallback

        trainer.add_callback(TrainwardenCallback())
    return trainer


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, lambda *_: threading.Event().wait())  # what a test makes it hang by, inside a step
    chosen = options_of()
    trainer_of(chosen).train(resume_from_checkpoint=chosen.resume_from_checkpoint)
