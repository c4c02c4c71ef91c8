"""Lightning's ``.ckpt`` files, resumed by ``--ckpt_path`` (``LightningCLI``, or a script that hands it to ``fit``).

A checkpoint is one file of ``torch.save``. Lightning writes it elsewhere and renames it, which is whole or not there
only within one file system; across two it is copied in place.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from trainwarden.checkpoints import script, torchzip
from trainwarden.checkpoints.arguments import number
from trainwarden.checkpoints.base import Found, Settings
from trainwarden.checkpoints.listing import entries, entries_below
from trainwarden.checkpoints.picklehead import numbers
from trainwarden.checkpoints.scripted import Given, ScriptedRecipe
from trainwarden.model import Checkpoint

_STEP = re.compile(r"(?:^|[-_/])(?:global_)?step=(\d{1,18})")
_VERSION = re.compile(r"version_\d+")


class LightningRecipe(ScriptedRecipe):
    """Implements ``checkpoints.base.Recipe``."""

    name = "lightning"
    arguments = ["--ckpt_path", "{checkpoint}"]  # noqa: RUF012  (not a dataclass)
    hands_on = script.HandsOn("fit", "ckpt_path", "ckpt_path")
    folder_options = ("trainer.default_root_dir", "default_root_dir")
    told = frozenset({"checkpoint", "step"})

    def settings(self, command: list[str], cwd: Path) -> Settings:
        """Without a root of its own Lightning writes beneath the working directory."""
        read = super().settings(command, cwd)
        return read if read.folder else Settings(cwd, read.output_name, read.problem, read.warnings)

    def find(self, folder: Path, output_name: str | None) -> list[Found]:  # noqa: ARG002
        """Every ``.ckpt`` where Lightning puts them, the furthest step first. Raises ``CheckpointError``."""
        found = [
            Found(path=path, epoch=None, step=_step(path), final=False, resumable=True)
            for path in _files(folder)
            if path.suffix == ".ckpt"
        ]
        return sorted(found, key=lambda one: (-1 if one.step is None else one.step, one.path.name), reverse=True)

    def verify(self, found: Found) -> str:
        """By the zip directory, which is written last."""
        return torchzip.fault(found.path)

    def position(self, name: str) -> tuple[int | None, int | None]:
        """The step in the name. (The epoch in it may have only just begun.)"""
        match = _STEP.search(name)
        return None, int(match[1]) if match else None

    def finished(self, given: Given, checkpoint: Checkpoint) -> str:
        """By the steps that the command asks for."""
        last = number(given, "trainer.max_steps", "max_steps")
        if last is not None and checkpoint.step is not None and checkpoint.step >= last:
            return f"{checkpoint.path}: holds the last of {last} steps, so nothing is left to resume"
        return ""

    def takes(self, said: str, command: list[str], cwd: Path) -> bool:
        """Also where ``LightningCLI`` reads the command line, and its ``fit`` is asked for."""
        tree = script.read(cwd / said)
        if tree is None:
            return False
        asks = list(script.calls_of(list(ast.walk(tree)), "LightningCLI"))
        if asks and "fit" in script.split(command).arguments:
            return not any(word.arg in ("run", None) for call in asks for word in call.keywords)
        return script.hands_on(tree, self.hands_on)


def _files(folder: Path) -> Iterator[Path]:
    """In the folder itself, in its ``checkpoints``, and in those of each version of the default logger."""
    listed = [*entries(folder, "--trainer.default_root_dir"), *entries_below(folder / "checkpoints")]
    for version in entries_below(folder / "lightning_logs"):
        if _VERSION.fullmatch(version.name):
            listed += entries_below(Path(version.path) / "checkpoints")
    return (Path(entry.path) for entry in listed if entry.is_file())


def _step(path: Path) -> int | None:
    """From the name, else (``last.ckpt``, or a name of the user's) from the head of what the file holds."""
    match = _STEP.search(path.name)
    return int(match[1]) if match else numbers(path, {"global_step"}).get("global_step")
