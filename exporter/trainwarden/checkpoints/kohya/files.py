"""The names under which kohya writes.

``NAME-000002.safetensors`` and ``NAME-000002-state/`` after epoch 2, ``NAME-step00000030…`` between epochs, and at the
end ``NAME-state/`` and then ``NAME.safetensors``.
"""

import re
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from trainwarden.checkpoints.base import Found
from trainwarden.checkpoints.listing import entries

WEIGHTS = (".safetensors", ".ckpt", ".pt")
"""What ``--save_model_as`` allows."""
_STATE = "-state"


_Position = tuple[bool, int, int, bool]
"""Orders the checkpoints of one run by how far the training was."""


class Names(NamedTuple):
    """What the three kinds of names begin with."""

    epoch: str
    step: str
    final: str


def names(output_name: str | None) -> Names:
    """kohya's own names where ``--output_name`` is not given."""
    return Names(output_name, output_name, output_name) if output_name else Names("epoch", "at", "last")


def find(folder: Path, output_name: str | None) -> list[Found]:
    """The run's checkpoints, newest training position first; raises ``CheckpointError``.

    States between epochs stand behind those of epochs: their numbers begin again at every resume, so they say nothing
    about the position beside an epoch's.
    """
    prefix = names(output_name)
    kinds = ((entry, entry.is_dir()) for entry in entries(folder, "--output_dir"))
    listed = (_read(entry.path, entry.name, is_dir, prefix) for entry, is_dir in kinds if is_dir or entry.is_file())
    return [found for _, found in sorted(filter(None, listed), key=itemgetter(0), reverse=True)]


def final_weights(state: Path, output_name: str | None) -> list[Path]:
    """The files that would say that the training which wrote ``state`` has ended."""
    return [state.parent / f"{names(output_name).final}{suffix}" for suffix in WEIGHTS]


def epoch_of(state: Path) -> int | None:
    """The epoch in the name of an epoch's state folder."""
    match = re.fullmatch(rf".+-(\d{{6,}}){_STATE}", state.name)
    return int(match[1]) if match else None


@lru_cache
def _patterns(prefix: Names) -> list[re.Pattern[str]]:
    ending = "(?P<ending>" + "|".join(re.escape(end) for end in (_STATE, *WEIGHTS)) + ")"
    return [
        re.compile(re.escape(prefix.epoch) + r"-(?P<epoch>\d{6,})" + ending),
        re.compile(re.escape(prefix.step) + r"-step(?P<step>\d{8,})" + ending),
        re.compile(re.escape(prefix.final) + ending),
    ]


@lru_cache(maxsize=1 << 15)  # a folder of thousands is listed anew whenever one is added
def _read(path: str, name: str, is_dir: bool, prefix: Names) -> tuple[_Position, Found] | None:
    match = next(filter(None, (pattern.fullmatch(name) for pattern in _patterns(prefix))), None)
    if match is None or is_dir != (match["ending"] == _STATE):
        return None
    numbers = match.groupdict()
    epoch, step = (int(numbers[kind]) if numbers.get(kind) else None for kind in ("epoch", "step"))
    final = epoch is None and step is None
    found = Found(path=Path(path), epoch=epoch, step=step, final=final, resumable=is_dir and epoch is not None)
    # Of one epoch the state is written after the weights; at the end it is the other way round.
    return (final, epoch or 0, step or 0, is_dir != final), found
