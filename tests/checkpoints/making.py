"""Checkpoints as kohya leaves them: real safetensors, zips laid out as torch's, names, files and write order."""

import json
import os
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from trainwarden.model import Checkpoint, Verdict

WRITE_ORDER = ("train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
WRITTEN_AT = 1_790_000_000.0
"""When the checkpoints made here were written, unless a test says otherwise."""


def make_weights(path: Path, at: float = WRITTEN_AT) -> Path:
    tensors = {"lora.down": np.ones((8, 64), np.float32), "lora.up": np.ones((64, 8), np.float32)}
    path.write_bytes(save(tensors, {"format": "pt"}))
    os.utime(path, (at, at))
    return path


def make_torch(path: Path, at: float = WRITTEN_AT, size: int = 4096) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"step": 1}))
        archive.writestr("archive/data/0", b"\x3f" * size)
        archive.writestr("archive/version", b"3\n")
    os.utime(path, (at, at))
    return path


def make_state(folder: Path, epoch: int, at: float = WRITTEN_AT, step: int = 20) -> Path:
    """A whole state folder, its files a second apart in write order, the last of them written at ``at``."""
    folder.mkdir(parents=True)
    for age, name in enumerate(reversed(WRITE_ORDER)):
        path = folder / name
        if name == "train_state.json":
            path.write_text(json.dumps({"current_epoch": epoch, "current_step": step}))
            os.utime(path, (at - age, at - age))
        elif name == "model.safetensors":
            make_weights(path, at - age)
        else:
            make_torch(path, at - age)
    return folder


def make_parts(folder: Path, names: Sequence[str], at: float = WRITTEN_AT) -> Path:
    """A folder with these files, written a second apart in this order, the last at ``at``."""
    for age, name in enumerate(reversed(names)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            make_weights(path, at - age)
        elif path.suffix == ".json":
            path.write_text("{}")
            os.utime(path, (at - age, at - age))
        else:
            make_torch(path, at - age)
    return folder


def write_json(path: Path, content: object) -> None:
    """Fill a file anew without changing its times."""
    stat = path.stat()
    path.write_text(json.dumps(content))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def cut(path: Path, size: int) -> None:
    """Cut a file short without changing its times."""
    stat = path.stat()
    os.truncate(path, size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def checkpoint(path: Path, epoch: int | None, *, step: int | None = None, final: bool = False) -> Checkpoint:
    return Checkpoint(
        path=str(path),
        epoch=epoch,
        step=step,
        final=final,
        resumable=epoch is not None and path.name.endswith("-state"),
        modified_at=WRITTEN_AT,
        size_bytes=0,
        verdict=Verdict.VALID,
    )


def snapshot(folder: Path) -> dict[str, tuple[bytes | None, int, int]]:
    """Content, inode and modification time of everything in a folder."""
    return {
        str(path): (path.read_bytes() if path.is_file() else None, path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
