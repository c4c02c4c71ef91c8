"""Hugging Face ``Trainer``: ``checkpoint-N`` in ``--output_dir``, resumed by ``--resume_from_checkpoint``.

Seen in transformers 4 and 5: the weights, then ``optimizer.pt``, ``scheduler.pt``, the random states (before 4.31
behind the last), and ``trainer_state.json``, all written in place.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden.checkpoints import parts, script
from trainwarden.checkpoints.arguments import number, options, text
from trainwarden.checkpoints.base import Found
from trainwarden.checkpoints.listing import entries, entries_below
from trainwarden.checkpoints.reading import read_json
from trainwarden.checkpoints.script import HandsOn
from trainwarden.checkpoints.scripted import Given, ScriptedRecipe
from trainwarden.model import Checkpoint

_NAME = re.compile(r"checkpoint-(\d{1,18})")
_STATE = "trainer_state.json"
_ADAPTER = ("adapter_model.safetensors", "adapter_model.bin")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", *_ADAPTER)
_SENTINEL = "checkpoint-is-incomplete.txt"
"""Stands there while a save before a shutdown is under way."""


class _TrainerState(Struct):
    global_step: int
    max_steps: int = 0


_TRAINER_STATE = msgspec.json.Decoder(_TrainerState)


class HfRecipe(ScriptedRecipe):
    """Implements ``checkpoints.base.Recipe``."""

    name = "hf"
    arguments = ["--resume_from_checkpoint", "{checkpoint}"]  # noqa: RUF012  (not a dataclass)
    hands_on = HandsOn("train", "resume_from_checkpoint", "resume_from_checkpoint", frozenset({"HfArgumentParser"}))
    folder_options = ("output_dir",)
    told = frozenset({"checkpoint", "step"})

    def find(self, folder: Path, output_name: str | None) -> list[Found]:  # noqa: ARG002
        """Every ``checkpoint-N``, the highest number first. Raises ``CheckpointError``."""
        found = []
        for entry in entries(folder, "--output_dir"):
            match = _NAME.fullmatch(entry.name)
            if match and entry.is_dir():
                path = Path(entry.path)
                sharded = parts.is_sharded(inner.name for inner in entries_below(path))
                found.append(Found(path=path, epoch=None, step=int(match[1]), final=False, resumable=not sharded))
        return sorted(found, key=lambda one: one.step or 0, reverse=True)

    def verify(self, found: Found) -> str:
        """Its files, their order, and the step that the state names. Of DeepSpeed's and FSDP's the state only."""
        folder, step = found.path, found.step
        try:
            return _incomplete(folder) or _wrong_step(folder, step) or (_unfit(folder) if found.resumable else "")
        except OSError as error:
            return f"{folder}: cannot be read: {error.strerror}"

    def position(self, name: str) -> tuple[int | None, int | None]:
        """The step in the folder's name."""
        match = _NAME.fullmatch(name)
        return None, int(match[1]) if match else None

    def misses(self, given: Given) -> str:
        """Nothing saved, too little saved, or saved in a way that cannot be verified."""
        if text(given, "save_strategy") == "no":
            return "--save_strategy no saves no checkpoint; choose steps or epoch"
        if given.get("save_only_model", "false") not in (False, "false", "False"):
            return "--save_only_model saves weights without optimizer and step; leave it out"
        for name in ("deepspeed", "fsdp"):
            if given.get(name):
                return f"checkpoints written under --{name} cannot be verified here, so such a run is only watched"
        return ""

    def warns(self, given: Given) -> Iterator[str]:
        """Of a save that deletes the last good one."""
        if number(given, "save_total_limit") == 1:
            yield "--save_total_limit 1 keeps one checkpoint only; keep 2 or more, one may turn out damaged"

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:  # noqa: ARG002
        """All in the end, where ``--save_total_limit`` is given: the oldest goes first."""
        limit = number(options(script.split(command).arguments), "save_total_limit")
        return [checkpoint.path for checkpoint in older] if limit else []

    def finished(self, given: Given, checkpoint: Checkpoint) -> str:  # noqa: ARG002
        """By the steps that the state counts to, and by the state that scripts save at the end of the training."""
        folder = Path(checkpoint.path)
        state = _state(folder)
        if state is not None and 0 < state.max_steps <= state.global_step:
            return f"{folder}: holds the last of {state.max_steps} steps, so nothing is left to resume"
        last = folder.parent / _STATE
        if last.is_file() and last.stat().st_mtime >= checkpoint.modified_at and _state(folder.parent) is not None:
            return f"{last}: is newer than {folder}: the training has ended"
        return ""


def _state(folder: Path) -> _TrainerState | None:
    try:
        return read_json(folder / _STATE, _TRAINER_STATE)
    except OSError:
        return None


def _incomplete(folder: Path) -> str:
    if (folder / _SENTINEL).exists():
        return f"{folder / _SENTINEL}: stands there still: the save was cut short"
    return parts.missing(folder, [_STATE])


def _wrong_step(folder: Path, step: int | None) -> str:
    state = read_json(folder / _STATE, _TRAINER_STATE)
    if state is None:
        return f"{folder / _STATE}: is not a trainer state: the save was cut short"
    if state.global_step != step:
        return f"{folder / _STATE}: says step {state.global_step} in a folder named for step {step}"
    return ""


def _unfit(folder: Path) -> str:
    weights = [*parts.weights(folder, _WEIGHTS), *_named_adapters(folder)]
    if not weights:
        return f"{folder}: holds no weights: the save was cut short"
    written = [*weights, "optimizer.pt", "scheduler.pt"]
    missing = parts.missing(folder, written)
    if missing and not parts.missing(folder, weights) and not (folder / "optimizer.pt").exists():
        return f"{missing}, or --save_only_model left optimizer and schedule out"
    random = _random_states(folder)
    if not random:
        return f"{folder}: rng_state.pth missing: the save was cut short"
    return (
        missing
        or parts.damaged(folder)
        or parts.out_of_order(folder, ["optimizer.pt", "scheduler.pt", _STATE])
        or next(filter(None, (parts.out_of_order(folder, [name, "optimizer.pt"]) for name in weights)), "")
        or next(filter(None, (parts.out_of_order(folder, ["scheduler.pt", name]) for name in random)), "")
    )


def _named_adapters(folder: Path) -> list[str]:
    """The weights of PEFT's adapters that have a name: each stands in a folder of that name."""
    found = (path for name in _ADAPTER for path in folder.glob(f"*/{name}"))
    return sorted(str(path.relative_to(folder)) for path in found)


def _random_states(folder: Path) -> list[str]:
    """Of the one process, or of all ranks from 0 on without a gap; empty where one is missing."""
    if (folder / "rng_state.pth").is_file():
        return ["rng_state.pth"]
    ranks = sorted(path.name for path in folder.glob("rng_state_*.pth"))
    return ranks if set(ranks) == {f"rng_state_{rank}.pth" for rank in range(len(ranks))} else []
