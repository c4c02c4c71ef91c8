"""What a run could go on from: the newest verified checkpoint, why none newer, and what will be written over."""

import os
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from trainwarden.checkpoints import recipe_of
from trainwarden.checkpoints.catalog import Catalog, newest_valid, passed_over
from trainwarden.deadline import Deadline, OverdueError
from trainwarden.errors import CheckpointError, ConfigurationError
from trainwarden.model import Checkpoint, RunSpec, Verdict

LISTING_SECONDS = 5.0
"""How long a listing is waited for: a network folder may never answer, and every run waits for the worker."""


class Choice(Struct, frozen=True, kw_only=True):
    """One look at the run's checkpoint folder."""

    checkpoint: Checkpoint | None = None
    """The newest verified one, None where there is none."""
    passed_over: list[str] = field(default_factory=list)
    """Why not a newer one, a sentence each."""
    overwrites: list[str] = field(default_factory=list)
    """Paths of everything newer, which the resumed trainer will write again."""
    older: list[Checkpoint] = field(default_factory=list)
    """What stands behind it, newest first."""
    free_bytes: int | None = None
    """Room on the file system of the folder, for this user; None where it is not told."""
    writing: bool = False
    """Whether a checkpoint is being written right now."""
    written_at: float | None = None
    """When any of them was last written, by the clock of their file system; None where none is seen."""


class FolderError(CheckpointError):
    """The checkpoint folder does not answer, so nothing can be said about what it holds. May pass."""


class Chooser:
    """Looks at one run's checkpoints; what was verified is not read again while it does not change."""

    def __init__(self, spec: RunSpec) -> None:
        self._catalog: Catalog | None = None
        self._listing: Deadline[tuple[list[Checkpoint], int | None]] = Deadline(
            f"the checkpoint folder {spec.checkpoints}", LISTING_SECONDS
        )
        self.newest: Checkpoint | None = None
        """The newest verified one at the last look."""
        settle, folder = spec.limits.checkpoint_settle, Path(spec.checkpoints or "")
        self._spec = spec
        self._folder = folder
        with suppress(ConfigurationError):  # a recipe of another version
            if spec.checkpoints is not None:
                self._catalog = Catalog(recipe_of(spec), folder, spec.output_name, settle, spec.found_at_launch)

    def look(self, now: float) -> Choice:
        """Read the folder; ``now`` in Unix seconds. One whose content makes no sense offers nothing, and says why.

        Raises ``FolderError`` where the folder does not answer in time or cannot be read: that may pass.
        """
        if self._catalog is None:
            return Choice(passed_over=["the run names no checkpoint folder that its recipe could read"])
        catalog = self._catalog
        try:
            listed, free = self._listing.run(lambda: (catalog.list(now), _free(self._folder)))
            choice = replace(choose(listed), free_bytes=free)
        except OverdueError as error:
            raise FolderError(str(error)) from error
        except OSError as error:
            raise FolderError(f"the checkpoint folder cannot be read: {error}; mend its disk or server") from error
        except CheckpointError as error:
            choice = Choice(passed_over=[str(error)])
        self.newest = choice.checkpoint
        return choice

    def rotates(self, choice: Choice) -> list[str]:
        """Paths of those that the resumed trainer will delete as it saves on, by its own options."""
        if choice.checkpoint is None:
            return []
        spec = self._spec
        return recipe_of(spec).rotates(spec.command, Path(spec.cwd), choice.older, choice.checkpoint)


def choose(checkpoints: list[Checkpoint]) -> Choice:
    """The choice among ``checkpoints``, newest first. Pure."""
    chosen = newest_valid(checkpoints)
    newer = checkpoints[: checkpoints.index(chosen)] if chosen is not None else []
    return Choice(
        checkpoint=chosen,
        older=checkpoints[len(newer) + 1 :] if chosen is not None else [],
        passed_over=passed_over(checkpoints, chosen),
        overwrites=[checkpoint.path for checkpoint in newer],
        writing=any(checkpoint.verdict is Verdict.UNSETTLED for checkpoint in checkpoints),
        written_at=max((checkpoint.modified_at for checkpoint in checkpoints), default=None),
    )


def _free(folder: Path) -> int | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
