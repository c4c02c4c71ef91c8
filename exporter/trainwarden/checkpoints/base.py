"""The contract of a recipe: how one kind of trainer writes checkpoints and is told to resume from one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from trainwarden.model import Checkpoint, Resume, ResumeTemplate


class Found(Struct, frozen=True):
    """A checkpoint as a directory listing shows it; nothing of it has been read."""

    path: Path
    epoch: int | None
    step: int | None
    final: bool
    resumable: bool


class Settings(Struct, frozen=True):
    """What a command line (and the configuration file that it names) says about checkpoints."""

    folder: Path | None
    """Absolute."""
    output_name: str | None
    problem: str = ""
    """Why a run of this command could not be resumed: one sentence with the mend. Empty: it can."""
    warnings: tuple[str, ...] = ()
    """What should be told at launch though the run can be resumed."""
    values: Mapping[str, float] = {}
    """The trainer's settings that the guide speaks of (§3), where they are known; a switch is 0 or 1."""
    files: tuple[str, ...] = ()
    """Configuration files that the command names otherwise than by their whole names: as those name each other, say."""


class Recipe(Protocol):
    """One kind of trainer. Every method is pure but for reading files; none of them unpickles or imports torch."""

    name: str
    samples: str | None
    """The folder within the checkpoint folder that the trainer puts sample images into; None where it draws none."""
    flat: bool
    """Whether all that ``find`` says stands in the names in the folder itself, whose time then tells of changes."""

    epochs_agree: bool
    """Whether its output numbers epochs as its checkpoints do, so that behind checkpoint N it trains epoch N + 1. A
    script of the user's own may name checkpoints from 1 and draw its bars from 0."""

    def declared(self, resume: ResumeTemplate) -> "Recipe":
        """This recipe, completed by what the user declares. Raises ``ConfigurationError`` where it takes none of it."""

    def recognises(self, command: list[str]) -> bool:
        """Whether this command starts a trainer of this kind."""

    def settings(self, command: list[str], cwd: Path) -> Settings:
        """What the command says about its checkpoints."""

    def told_apart_by(self, output_name: str | None) -> str | None:
        """What in their names tells the run's checkpoints from those of others in its folder.

        Empty: nothing does. None: this trainer's are never gone on from.
        """

    def find(self, folder: Path, output_name: str | None) -> list[Found]:
        """The run's checkpoints in ``folder``, newest training position first. Raises ``CheckpointError``."""

    def verify(self, found: Found) -> str:
        """Read the checkpoint: empty where it is whole, else one sentence that names the file and the fault."""

    def resume_command(self, command: list[str], cwd: Path, checkpoint: Checkpoint) -> list[str]:
        """The command that goes on from ``checkpoint``; ``cwd`` is where its relative paths begin.

        Raises ``RefusedError`` where it would change nothing, start from zero, or go on from a finished run.
        """

    def resumed_from(self, command: list[str]) -> Resume | None:
        """From where this command itself resumes; None where it starts from zero."""

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:
        """Paths of those of ``older`` that the trainer will delete as it saves on from ``chosen``, by its options."""


class Adapter(Protocol):
    """How one kind of trainer is given less demanding settings, under the keys of the guide (§3)."""

    def in_force(self, command: list[str], cwd: Path) -> dict[str, int | bool]:
        """What the settings of the guide's remedies are, by key; without those that may not be changed."""

    def derive(
        self, command: list[str], cwd: Path, values: Mapping[str, int | bool], target: Path
    ) -> tuple[list[str], str]:
        """The command with these settings, which names the file ``target``; and what that file is to hold.

        Touches no file. Raises ``RefusedError``.
        """
