"""A small training that really trains: something to watch, to break and to resume, on any machine.

It prints, writes and resumes exactly as kohya-ss/sd-scripts does, and it has no private channel into trainwarden: it
imports nothing else of the package and is followed by what it prints and writes, like any other training.
"""

import sys
from collections.abc import Sequence
from pathlib import Path


def command(
    output_dir: Path,
    *,
    output_name: str = "demo",
    max_train_epochs: int = 40,
    steps_per_epoch: int = 60,
    step_seconds: float = 1.0,
    caching_seconds: float = 5.0,
    more: Sequence[str] = (),
) -> list[str]:
    """The command line of a demo training.

    By default it shows life within seconds, saves a state every minute and ends after 40 minutes. ``more`` is appended
    (``["--hang-at-step", "90"]``, say).
    """
    options = {
        "--output_dir": output_dir,
        "--output_name": output_name,
        "--max_train_epochs": max_train_epochs,
        "--steps_per_epoch": steps_per_epoch,
        "--step_seconds": step_seconds,
        "--caching_seconds": caching_seconds,
        "--save_every_n_epochs": 1,
        "--save_last_n_epochs": 3,
    }
    words = [str(word) for pair in options.items() for word in pair]
    return [sys.executable, "-m", "trainwarden.demo", *words, "--save_state", *more]
