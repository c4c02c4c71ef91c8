"""What the recipes share whose script is the user's own: they are chosen by name, and told by a template.

Nothing in ``python train.py`` says which library trains there, so none of them is ever guessed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from trainwarden.checkpoints import script, template
from trainwarden.checkpoints.arguments import options, text
from trainwarden.checkpoints.base import Found, Recipe, Settings
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

Given = dict[str, str | bool]
"""The options behind the script."""


class ScriptedRecipe:
    """Implements what ``checkpoints.base.Recipe`` asks for of the command line; subclasses know the files."""

    name: str
    samples: str | None = None
    epochs_agree = False
    flat = False
    arguments: list[str]
    """How the library's own scripts are told."""
    hands_on: script.HandsOn
    folder_options: tuple[str, ...]
    told: frozenset[str] = frozenset({"checkpoint"})
    """What a checkpoint of this kind tells of itself, by placeholder."""

    def __init__(self, resume: ResumeTemplate | None = None) -> None:
        self._resume = resume

    def declared(self, resume: ResumeTemplate) -> Recipe:
        """With the arguments that the user declares, who thereby vouches that the script takes them."""
        if resume.glob is not None or resume.complete:
            raise ConfigurationError(f"resume: recipe {self.name} knows its files; leave glob and complete out")
        for name in sorted(template.placeholders(resume.arguments) - self.told):
            raise ConfigurationError(f"resume.arguments: a checkpoint of recipe {self.name} does not tell its {name}")
        return type(self)(resume)

    def recognises(self, command: list[str]) -> bool:  # noqa: ARG002
        """Never: a wrong guess could begin a training from zero."""
        return False

    def settings(self, command: list[str], cwd: Path) -> Settings:
        """Read off the options behind the script, and off the script."""
        given = options(script.split(command).arguments)
        folder = text(given, *self.folder_options)
        problems = filter(None, [self.misses(given), self._deaf(command, cwd)])
        return Settings(
            folder=Path(os.path.abspath(cwd / folder)) if folder else None,  # noqa: PTH100  (resolve() follows links)
            output_name=None,
            problem=next(problems, ""),
            warnings=tuple(self.warns(given)),
        )

    def told_apart_by(self, output_name: str | None) -> str | None:  # noqa: ARG002
        """Nothing: these libraries number their checkpoints, and a folder is one training's."""
        return ""

    def resume_command(self, command: list[str], cwd: Path, checkpoint: Checkpoint) -> list[str]:
        """The same command with the template's arguments in place of any earlier ones."""
        parts = script.split(command)
        given = options(parts.arguments)
        if not checkpoint.resumable:
            raise RefusedError(f"{checkpoint.path}: cannot be gone on from exactly")
        if problem := self.misses(given) or self._deaf(command, cwd) or self.finished(given, checkpoint):
            raise RefusedError(problem)
        return [*parts.launcher, *template.put(parts.arguments, self._arguments, checkpoint)]

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:  # noqa: ARG002
        """Nothing that the options tell; a library that has one for it says more."""
        return []

    def resumed_from(self, command: list[str]) -> Resume | None:
        """From what the template's option names."""
        path = template.read(script.split(command).arguments, self._arguments)
        return None if path is None else Resume(path, *self.position(os.path.basename(path.rstrip("/"))))  # noqa: PTH119

    @property
    def _arguments(self) -> list[str]:
        return self._resume.arguments if self._resume else self.arguments

    def _deaf(self, command: list[str], cwd: Path) -> str:
        """Why the script may not take what it is told, unless the user vouches for it: one sentence, or empty."""
        if self._resume is not None:
            return ""
        said = script.split(command).script
        if said is not None and self.takes(said, command, cwd):
            return ""
        return (
            f"{said or 'the command'} does not show that {self.arguments[0]} reaches {self.hands_on.said}, and a "
            "script that ignores it begins from zero; if yours takes the checkpoint, declare so in runs.NAME.resume of "
            "trainwarden.yml"
        )

    def takes(self, said: str, command: list[str], cwd: Path) -> bool:  # noqa: ARG002
        """Whether the script shows that it takes the checkpoint it is told."""
        tree = script.read(cwd / said)
        return tree is not None and script.hands_on(tree, self.hands_on)

    def position(self, name: str) -> tuple[int | None, int | None]:
        """The epochs and steps that the checkpoint of this name contains, as far as it tells."""
        raise NotImplementedError

    def misses(self, given: Given) -> str:  # noqa: ARG002
        """Why these options save nothing that can be resumed: one sentence with the mend, or empty."""
        return ""

    def warns(self, given: Given) -> Iterator[str]:  # noqa: ARG002
        """What should be told at launch though the run can be resumed."""
        return iter(())

    def finished(self, given: Given, checkpoint: Checkpoint) -> str:  # noqa: ARG002
        """Why nothing is left to resume: one sentence, or empty."""
        return ""

    def find(self, folder: Path, output_name: str | None) -> list[Found]:
        """The run's checkpoints, newest training position first. Raises ``CheckpointError``."""
        raise NotImplementedError

    def verify(self, found: Found) -> str:
        """Empty where the checkpoint is whole, else one sentence that names the file and the fault."""
        raise NotImplementedError
