"""With Lightning:  trainwarden run lit -- python examples/heartbeat/with_lightning.py"""

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from trainwarden.integrations.lightning import TrainwardenCallback


class Line(lightning.LightningModule):
    """Fits a line."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """The loss of a batch."""
        (values,) = batch
        return torch.nn.functional.mse_loss(self.layer(values), values.sum(1, keepdim=True))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain descent."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


def main() -> None:
    """Train two epochs of ten steps."""
    trainer = lightning.Trainer(
        max_epochs=2,
        default_root_dir="lightning-out",
        logger=False,
        callbacks=[TrainwardenCallback()],  # the one line
    )
    trainer.fit(Line(), DataLoader(TensorDataset(torch.randn(80, 4)), batch_size=8))


if __name__ == "__main__":
    main()
