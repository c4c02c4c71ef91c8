"""With accelerate:  trainwarden run acc -- accelerate launch examples/heartbeat/with_accelerate.py

Every process beats: the first one tells the steps, the others that they live.
"""

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

from trainwarden.heartbeat import Heartbeat

EPOCHS = 2


def main() -> None:
    """Fit a line, in steps of two batches."""
    accelerator = Accelerator(gradient_accumulation_steps=2)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    loader = DataLoader(TensorDataset(torch.randn(160, 4)), batch_size=8)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    with Heartbeat(max_steps=EPOCHS * len(loader) // 2, max_epochs=EPOCHS) as heartbeat:
        for epoch in range(1, EPOCHS + 1):
            for (values,) in loader:
                with accelerator.accumulate(model):
                    loss = torch.nn.functional.mse_loss(model(values), values.sum(1, keepdim=True))
                    accelerator.backward(loss)
                    optimizer.step()
                    optimizer.zero_grad()
                if accelerator.sync_gradients:  # a step is the optimiser's, not a batch
                    heartbeat.step(loss=loss, epoch=epoch)
        with heartbeat.phase("checkpointing"):
            accelerator.save_state("accelerate-state")


if __name__ == "__main__":
    main()
