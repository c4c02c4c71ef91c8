"""The demo's checkpoints: kohya's names, files and write order, in place under the final name and never synced.

The files beside ``model.safetensors`` are zip archives laid out as ``torch.save`` does. What they hold is read back
as plain numpy arrays; their ``data.pkl`` lists the names and is never unpickled.
"""

import io
import json
import logging
import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy as tensors

from trainwarden.demo.learner import Learner

log = logging.getLogger(__name__)

_Arrays = dict[str, Any]
_SLICES = 20
"""In how many pieces a file is written."""


class Saver:
    """Writes checkpoints. ``save_seconds``: how long each file takes at least."""

    def __init__(self, learner: Learner, save_seconds: float) -> None:
        self._learner = learner
        self._save_seconds = save_seconds

    def weights(self, path: Path) -> None:
        """Write a ``.safetensors`` of the weights alone."""
        print(f"\nsaving checkpoint: {path}")
        self._write(path, self._tensors())

    def state(self, folder: Path, epoch: int, step: int) -> None:
        """Write a state folder. ``step`` counts from the start of this process, as kohya's does."""
        log.info("Saving current state to %s", folder)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "train_state.json"
        self._write(path, json.dumps({"current_epoch": epoch, "current_step": step}).encode())
        log.info("save train state to %s at epoch %d step %d", path, epoch, step)
        learner = self._learner
        for what, name, content in (
            ("Model weights", "model.safetensors", self._tensors()),
            ("Optimizer state", "optimizer.bin", _archive("optimizer", _optimizer(learner))),
            ("Scheduler state", "scheduler.bin", _archive("scheduler", {"last_epoch": learner.schedule_steps})),
            ("Random states", "random_states_0.pkl", _archive("random_states_0", {"seed": learner.seed})),
        ):
            self._write(folder / name, content)
            log.info("%s saved in %s", what, folder / name)

    def _tensors(self) -> bytes:
        """One key of metadata only: the library writes several in random order, and files are to be compared."""
        return bytes(tensors.save(self._learner.weights, {"format": "pt"}))

    def _write(self, path: Path, data: bytes) -> None:
        size = -(-len(data) // _SLICES)
        with path.open("wb", buffering=0) as file:
            for begin in range(0, len(data), size):
                file.write(data[begin : begin + size])
                time.sleep(self._save_seconds / _SLICES)


def load_state(folder: Path, learner: Learner) -> int:
    """Put ``learner`` into the state in ``folder`` and return the step count that it names."""
    log.info("Loading states from %s", folder)
    train_state = json.loads((folder / "train_state.json").read_bytes())
    log.info("load train state from %s: %s", folder / "train_state.json", train_state)
    weights = tensors.load((folder / "model.safetensors").read_bytes())
    learner.weights = {name: value.copy() for name, value in weights.items()}
    log.info("All model weights loaded successfully")
    optimizer = _read_archive(folder / "optimizer.bin")
    learner.optimizer_steps = int(optimizer["step"])
    learner.mean = {name: optimizer[f"exp_avg.{name}"] for name in learner.weights}
    learner.square = {name: optimizer[f"exp_avg_sq.{name}"] for name in learner.weights}
    log.info("All optimizer states loaded successfully")
    learner.schedule_steps = int(_read_archive(folder / "scheduler.bin")["last_epoch"])
    log.info("All scheduler states loaded successfully")
    return int(train_state["current_step"])


def _optimizer(learner: Learner) -> _Arrays:
    means = {f"exp_avg.{name}": value for name, value in learner.mean.items()}
    squares = {f"exp_avg_sq.{name}": value for name, value in learner.square.items()}
    return {"step": learner.optimizer_steps, **means, **squares}


def _archive(name: str, arrays: _Arrays) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}/data.pkl", pickle.dumps(sorted(arrays)))
        for key, value in arrays.items():
            content = io.BytesIO()
            np.save(content, np.asarray(value), allow_pickle=False)
            archive.writestr(f"{name}/data/{key}", content.getvalue())
    return buffer.getvalue()


def _read_archive(path: Path) -> _Arrays:
    with zipfile.ZipFile(path) as archive:
        return {
            name.partition("/data/")[2]: np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
            if "/data/" in name
        }
