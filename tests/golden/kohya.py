"""Checkpoints that look like kohya's: the same files, in the order and the formats in which kohya writes them."""

import json
import os
import zipfile
from pathlib import Path

import numpy
from safetensors.numpy import save_file


def save(folder: Path, name: str, epoch: int | None, at: float) -> None:
    """Write the weights and the state after ``epoch`` (None: the end of the training), last written at ``at``."""
    suffix = "" if epoch is None else f"-{epoch:06d}"
    state = folder / f"{name}{suffix}-state"
    state.mkdir(parents=True)
    weights = folder / f"{name}{suffix}.safetensors"
    (state / "train_state.json").write_text(json.dumps({"current_epoch": epoch or 4, "current_step": 0}))
    for tensors in (weights, state / "model.safetensors"):
        save_file({"lora_unet.alpha": numpy.zeros((64, 64), dtype=numpy.float32)}, tensors)
    for torch_file in ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"):
        _torch_save(state / torch_file)
    order = ("train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
    written = [state / part for part in order]
    # After an epoch the weights are written first, at the end of the training last.
    written = [*written, weights] if epoch is None else [weights, *written]
    for seconds_before, path in enumerate(reversed(written)):
        os.utime(path, (at - seconds_before, at - seconds_before))


def _torch_save(path: Path) -> None:
    """A zip archive as torch.save makes it; nobody unpickles it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for entry in ("data.pkl", "data/0", "version"):
            archive.writestr(zipfile.ZipInfo(f"{path.stem}/{entry}"), b"\0" * 512)
