"""Is a checkpoint that is a folder of files whole?

Trainers write the files one after the other, most in place and none synced. So a killed save leaves files missing,
empty or cut short; and a killed save over an older checkpoint leaves a mix of both, in which every file is there and
the times are out of order.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden.checkpoints import safetensors, torchzip
from trainwarden.checkpoints.reading import json_fault, read_json

CHECKS = {
    ".safetensors": safetensors.fault,
    ".bin": torchzip.fault,
    ".ckpt": torchzip.fault,
    ".pkl": torchzip.fault,
    ".pt": torchzip.fault,
    ".pth": torchzip.fault,
}
"""How a file is verified, by its ending."""
_CHECKS_WITHIN = {**CHECKS, ".json": json_fault}
"""Beside the checkpoint's own files a trainer reads its configuration again, which is JSON."""
_INDEX = ".index.json"
_SHARDED = ("latest", "zero_to_fp32.py", "pytorch_model", "optimizer_0", "model_0")
_SHARDED_BEGIN = ("global_step", "pytorch_model_fsdp", "__")


class _Index(Struct):
    weight_map: dict[str, str]


_WEIGHT_MAP = msgspec.json.Decoder(_Index)


def missing(folder: Path, names: Sequence[str]) -> str:
    """One sentence that names those that are not there; empty where all are."""
    absent = [name for name in names if not (folder / name).is_file()]
    return f"{folder}: {', '.join(absent)} missing: the save was cut short" if absent else ""


def damaged(folder: Path) -> str:
    """The fault of the first damaged file, whatever wrote it; empty where all are whole. Raises ``OSError``."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in _CHECKS_WITHIN)
    return next(filter(None, (_CHECKS_WITHIN[path.suffix](path) for path in files)), "")


def out_of_order(folder: Path, names: Sequence[str]) -> str:
    """One sentence where the files were not written in this order; empty where they were. Raises ``OSError``."""
    times = [(folder / name).stat().st_mtime_ns for name in names]
    for first, then, name in zip(times, times[1:], names[1:], strict=False):
        if then < first:
            return (
                f"{folder / name}: is older than the file written before it: a save over an older one was cut "
                "short, or the folder was copied without its times (copy with cp -a)"
            )
    return ""


def written_ns(path: str, last: str | None) -> int:
    """When a checkpoint was written, ns; 0 where it was rotated away meanwhile.

    By the file in it that is written last: the folder's own time is that of whatever was laid into it since.
    """
    for name in (f"{path}/{last}" if last else path, path):
        with suppress(OSError):
            return os.stat(name).st_mtime_ns  # noqa: PTH116  (there may be thousands)
    return 0


def weights(folder: Path, candidates: Sequence[str]) -> list[str]:
    """The files that hold the weights, under the first of these names that is there; empty where none is.

    Of a sharded model (``NAME.index.json``) the index, and every shard that it names. Raises ``OSError``.
    """
    for name in candidates:
        if (folder / name).is_file():
            return [name]
        if (folder / (name + _INDEX)).is_file():
            index = read_json(folder / (name + _INDEX), _WEIGHT_MAP)
            return [*sorted(set(index.weight_map.values())), name + _INDEX] if index else []
    return []


def is_sharded(names: Iterable[str]) -> bool:
    """Whether a folder holds what DeepSpeed or FSDP writes: one file a process, in formats of their own."""
    return any(name in _SHARDED or name.startswith(_SHARDED_BEGIN) for name in names)
