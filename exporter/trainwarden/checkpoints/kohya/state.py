"""Is a state folder whole? accelerate writes five files in place, in a fixed order."""

from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden.checkpoints import parts
from trainwarden.checkpoints.reading import read_json

WRITE_ORDER = ("train_state.json", "model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
"""What every state holds. Some runs also write ``scaler.pt`` and other ranks' ``random_states_N.pkl``."""


class _TrainState(Struct):
    current_epoch: int


_TRAIN_STATE = msgspec.json.Decoder(_TrainState)


def fault(folder: Path, epoch: int | None) -> str:
    """Empty where the folder is whole and, if ``epoch`` is given, of that epoch; else one sentence."""
    try:
        return (
            parts.missing(folder, WRITE_ORDER)
            or _wrong_epoch(folder, epoch)
            or parts.damaged(folder)
            or parts.out_of_order(folder, WRITE_ORDER)
        )
    except OSError as error:
        return f"{folder}: cannot be read: {error.strerror}"


def _wrong_epoch(folder: Path, epoch: int | None) -> str:
    path = folder / WRITE_ORDER[0]
    state = read_json(path, _TRAIN_STATE)
    if state is None:
        return f"{path}: is not a train state: the save was cut short"
    if epoch is not None and state.current_epoch != epoch:
        return f"{path}: says epoch {state.current_epoch} in a folder named for epoch {epoch}"
    return ""
