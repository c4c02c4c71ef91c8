"""The recipe for a trainer that nobody here knows: it is watched like any other, and never restarted."""

from pathlib import Path

from trainwarden.checkpoints.base import Found, Recipe, Settings
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

PROBLEM = (
    "no recipe knows how this trainer is resumed, so a restart would start from zero; write the trainer's own command "
    "after '--' (not a script that wraps it), or name its recipe with --recipe"
)


class NoRecipe:
    """Implements ``checkpoints.base.Recipe`` by refusing."""

    name = "none"
    samples: str | None = None
    epochs_agree = False
    flat = True

    def declared(self, resume: ResumeTemplate) -> Recipe:  # noqa: ARG002
        """Raises ``ConfigurationError``: without a recipe nobody would read it."""
        raise ConfigurationError("resume: needs a recipe that reads it; add recipe: torch, hf, lightning or accelerate")

    def recognises(self, command: list[str]) -> bool:  # noqa: ARG002
        """Every command: this recipe is asked last."""
        return True

    def settings(self, command: list[str], cwd: Path) -> Settings:  # noqa: ARG002
        """Nothing is known but that the run cannot be resumed."""
        return Settings(folder=None, output_name=None, problem=PROBLEM)

    def told_apart_by(self, output_name: str | None) -> str | None:  # noqa: ARG002
        """None is ever gone on from."""
        return None

    def find(self, folder: Path, output_name: str | None) -> list[Found]:  # noqa: ARG002
        """Nothing."""
        return []

    def verify(self, found: Found) -> str:
        """Nothing that this recipe could vouch for."""
        return f"{found.path}: {PROBLEM}"

    def resume_command(self, command: list[str], cwd: Path, checkpoint: Checkpoint) -> list[str]:  # noqa: ARG002
        """Raises ``RefusedError``, always."""
        raise RefusedError(PROBLEM)

    def resumed_from(self, command: list[str]) -> Resume | None:  # noqa: ARG002
        """Unknown."""
        return None

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:  # noqa: ARG002
        """Unknown."""
        return []
