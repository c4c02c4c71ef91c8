"""A user's training with Lightning: a tiny model on the CPU, with validation, saves and a resume.

Run as a program. Whether trainwarden's callback is added is the only thing that knows of trainwarden.
"""

import argparse
import time

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, TQDMProgressBar
from torch.utils.data import DataLoader, TensorDataset


class Line(lightning.LightningModule):
    """Fits a line."""

    def __init__(self, step_seconds: float) -> None:
        super().__init__()
        self._step_seconds = step_seconds
        self._layer = torch.nn.Linear(4, 1)

    def _loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        (values,) = batch
        return torch.nn.functional.mse_loss(self._layer(values), values.sum(1, keepdim=True))

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        time.sleep(self._step_seconds)
        loss = self._loss(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        time.sleep(self._step_seconds / 4)
        self.log("val_loss", self._loss(batch), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def loader(batches: int) -> DataLoader:
    random = torch.Generator().manual_seed(1)
    return DataLoader(TensorDataset(torch.randn(8 * batches, 4, generator=random)), batch_size=8)


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--bar", choices=["tqdm", "rich"], default="tqdm")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--step-seconds", type=float, default=0.05)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--resume-from-checkpoint")
    parser.add_argument("--callback", action="store_true")
    return parser.parse_args(arguments)


def trainer_of(options: argparse.Namespace) -> lightning.Trainer:
    callbacks: list[lightning.Callback] = [
        ModelCheckpoint(options.output_dir, save_top_k=-1),
        RichProgressBar() if options.bar == "rich" else TQDMProgressBar(),
    ]
    if options.callback:
        from trainwarden.integrations.lightning import TrainwardenCallback

        callbacks.append(TrainwardenCallback())
    return lightning.Trainer(
        max_epochs=options.epochs,
        accumulate_grad_batches=options.accumulate,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
    )


if __name__ == "__main__":
    chosen = options_of()
    lightning.seed_everything(1)
    trainer_of(chosen).fit(Line(chosen.step_seconds), loader(20), loader(6), ckpt_path=chosen.resume_from_checkpoint)
