"""Is a state folder whole? accelerate writes five files in place, in a fixed order, and syncs none of them.

So a killed save leaves files missing, empty or cut short; and a killed save over an older state leaves a mix of both,
in which every file is there and the times are out of order.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden.checkpoints import safetensors, torchzip

WRITE_ORDER = ("train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
_CHECKS = {
    ".safetensors": safetensors.fault,
    ".bin": torchzip.fault,
    ".pkl": torchzip.fault,
    ".pt": torchzip.fault,
}
"""By ending. Also for what only some runs write: ``scaler.pt``, other ranks' ``random_states_N.pkl``."""


class _TrainState(Struct):
    current_epoch: int


def fault(folder: Path, epoch: int | None) -> str:
    """Empty where the folder is whole and, if ``epoch`` is given, of that epoch; else one sentence."""
    try:
        return _missing(folder) or _damaged(folder) or _out_of_order(folder) or _wrong_epoch(folder, epoch)
    except OSError as error:
        return f"{folder}: cannot be read: {error.strerror}"


def _missing(folder: Path) -> str:
    missing = [name for name in WRITE_ORDER if not (folder / name).is_file()]
    return f"{folder}: {', '.join(missing)} missing: the save was cut short" if missing else ""


def _damaged(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.suffix in _CHECKS)
    return next(filter(None, (_CHECKS[path.suffix](path) for path in files)), "")


def _out_of_order(folder: Path) -> str:
    times = [(folder / name).stat().st_mtime_ns for name in WRITE_ORDER]
    for first, then, name in zip(times, times[1:], WRITE_ORDER[1:], strict=False):
        if then < first:
            return (
                f"{folder / name}: is older than the file written before it: a save over an older state was cut "
                "short, or the folder was copied without its times (copy with cp -a)"
            )
    return ""


def _wrong_epoch(folder: Path, epoch: int | None) -> str:
    path = folder / WRITE_ORDER[0]
    try:
        current = msgspec.json.decode(path.read_bytes(), type=_TrainState).current_epoch
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"{path}: is not a train state: the save was cut short"
    if epoch is not None and current != epoch:
        return f"{path}: says epoch {current} in a folder named for epoch {epoch}"
    return ""
