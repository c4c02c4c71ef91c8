"""Scripts on accelerate: folders of ``save_state``, resumed by ``--resume_from_checkpoint`` as its examples do.

Seen in accelerate 1.15: the weights (a script's own hook may name them), then ``optimizer.bin``, ``scheduler.bin``
where there is a schedule, and ``random_states_N.pkl`` last, all written in place.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from trainwarden.checkpoints import parts
from trainwarden.checkpoints.arguments import number
from trainwarden.checkpoints.base import Found, Recipe
from trainwarden.checkpoints.listing import entries, entries_below
from trainwarden.checkpoints.script import HandsOn
from trainwarden.checkpoints.scripted import Given, ScriptedRecipe
from trainwarden.model import Checkpoint, ResumeTemplate

_NAME = re.compile(r"(?P<kind>checkpoint-|checkpoint_|step_|epoch_)(?P<number>\d{1,18})")
_STEPS = ("checkpoint-", "step_")
"""In the examples these count steps; ``checkpoint_N`` counts saves, ``epoch_N`` epochs from 0."""
_LAST = "random_states_0.pkl"
_NOT_WEIGHTS = re.compile(r"(optimizer|scheduler|sampler|dl_state_dict)(_\d+)?\.bin")


class AccelerateRecipe(ScriptedRecipe):
    """Implements ``checkpoints.base.Recipe``."""

    name = "accelerate"
    arguments = ["--resume_from_checkpoint", "{checkpoint}"]  # noqa: RUF012  (not a dataclass)
    hands_on = HandsOn("load_state", None, "resume_from_checkpoint")
    folder_options = ("output_dir", "project_dir")

    def declared(self, resume: ResumeTemplate) -> Recipe:
        """Also with ``complete``: the files that the script itself registers or writes."""
        super().declared(ResumeTemplate(arguments=resume.arguments, glob=resume.glob))
        return AccelerateRecipe(resume)

    def find(self, folder: Path, output_name: str | None) -> list[Found]:  # noqa: ARG002
        """By number, and by time where there are numbers of several kinds. Raises ``CheckpointError``."""
        listed = [*entries(folder, "--output_dir"), *entries_below(folder / "checkpoints")]
        named = [(match, entry) for entry in listed if (match := _NAME.fullmatch(entry.name)) and entry.is_dir()]
        one_kind = len({match["kind"] for match, _ in named}) == 1
        order = (lambda one: int(one[0]["number"])) if one_kind else _written
        return [_found(match, entry) for match, entry in sorted(named, key=order, reverse=True)]

    def verify(self, found: Found) -> str:
        """All of its files and their order."""
        folder = found.path
        if not found.resumable:
            return ""
        try:
            return _unfit(folder, self._resume.complete if self._resume else [])
        except OSError as error:
            return f"{folder}: cannot be read: {error.strerror}"

    def position(self, name: str) -> tuple[int | None, int | None]:
        """The step in the folder's name, where it counts steps."""
        match = _NAME.fullmatch(name)
        return None, int(match["number"]) if match and match["kind"] in _STEPS else None

    def warns(self, given: Given) -> Iterator[str]:
        """Of a save that deletes the last good one."""
        if number(given, "checkpoints_total_limit") == 1:
            yield "--checkpoints_total_limit 1 keeps one checkpoint only; keep 2 or more, one may turn out damaged"

    def finished(self, given: Given, checkpoint: Checkpoint) -> str:
        """By the steps or epochs that the command asks for."""
        match = _NAME.fullmatch(Path(checkpoint.path).name)
        done = int(match["number"]) if match else 0
        last = number(given, "max_train_steps", "max_steps")
        if last is not None and match and match["kind"] in _STEPS and done >= last:
            return f"{checkpoint.path}: holds the last of {last} steps, so nothing is left to resume"
        epochs = number(given, "num_train_epochs", "num_epochs")
        if epochs is not None and match and match["kind"] == "epoch_" and done + 1 >= epochs:
            return f"{checkpoint.path}: holds the last of {epochs} epochs, so nothing is left to resume"
        return ""


def _written(named: tuple[re.Match[str], os.DirEntry[str]]) -> int:
    return parts.written_ns(named[1].path, _LAST)


def _found(match: re.Match[str], entry: os.DirEntry[str]) -> Found:
    path = Path(entry.path)
    step = int(match["number"]) if match["kind"] in _STEPS else None
    sharded = parts.is_sharded(inner.name for inner in entries_below(path))
    return Found(path=path, epoch=None, step=step, final=False, resumable=not sharded)


def _unfit(folder: Path, complete: list[str]) -> str:
    random = [path.name for path in sorted(folder.glob("random_states_*.pkl"))]
    schedule = ["scheduler.bin"] if (folder / "scheduler.bin").exists() else []
    written = ["optimizer.bin", *schedule, _LAST]
    return (
        parts.missing(folder, written)
        or ("" if _weights(folder) else f"{folder}: holds no weights: the save was cut short")
        or parts.missing(folder, complete)
        or parts.damaged(folder)
        or next(filter(None, (parts.out_of_order(folder, [name, *written]) for name in _weights(folder))), "")
        or next(filter(None, (parts.out_of_order(folder, ["optimizer.bin", name]) for name in random)), "")
        or parts.out_of_order(folder, complete)
    )


def _weights(folder: Path) -> list[str]:
    """Wherever the script's hook puts them."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin"))
    return sorted(str(path) for path in files if not _NOT_WEIGHTS.fullmatch(path.name))
