"""A loop of one's own:  trainwarden run plain -- python examples/heartbeat/plain.py"""

import time

from trainwarden.heartbeat import Heartbeat

STEPS = 60
EVALUATE_EVERY = 20


def train_one_step(step: int) -> float:
    """Stands for forward, backward and optimizer.step()."""
    time.sleep(0.02)
    return 1 / step


def evaluate() -> None:
    """Stands for what may take longer than many steps, and prints nothing."""
    time.sleep(0.2)


def save() -> None:
    """Stands for torch.save()."""
    time.sleep(0.05)


def main() -> None:
    """Train from the first step; after a resume, ``start`` says which step the checkpoint holds."""
    with Heartbeat(max_steps=STEPS) as heartbeat:
        heartbeat.start(0)
        for step in range(1, STEPS + 1):
            loss = train_one_step(step)
            heartbeat.step(step, loss=loss)
            if step % EVALUATE_EVERY == 0:
                with heartbeat.phase("evaluating"):
                    evaluate()
                with heartbeat.phase("checkpointing"):
                    save()


if __name__ == "__main__":
    main()
