"""Plain PyTorch: nothing is known but what the user declares in ``resume:``, its file names and its arguments."""

import os
import re
from pathlib import Path

from trainwarden.checkpoints import parts, script, template
from trainwarden.checkpoints.base import Found, Recipe, Settings
from trainwarden.checkpoints.listing import entries
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

_UNDECLARED = (
    "nothing is known of this trainer's checkpoints; declare their names and its arguments in runs.NAME.resume of "
    "trainwarden.yml"
)
_NUMBER = {"{epoch}": r"(?P<epoch>\d{1,18})", "{step}": r"(?P<step>\d{1,18})", "*": ".*", "?": "."}


class TorchRecipe:
    """Implements ``checkpoints.base.Recipe``."""

    name = "torch"
    samples: str | None = None
    epochs_agree = False

    def __init__(self, resume: ResumeTemplate | None = None) -> None:
        self._resume = resume
        self._pattern = _compile(resume.glob) if resume and resume.glob else None
        self.flat = self._pattern is not None and self._pattern.groups > 0

    def declared(self, resume: ResumeTemplate) -> Recipe:
        """For files of a kind that can be verified, and folders whose files are named."""
        if not resume.glob:
            raise ConfigurationError("resume: recipe torch needs glob, how the checkpoints are named: ckpt-{step}.pt")
        if resume.glob.endswith("/"):
            if not resume.complete:
                raise ConfigurationError("resume: a folder needs complete, the files it holds when it is whole")
        elif resume.complete:
            raise ConfigurationError("resume.complete: is of folders; end glob in '/' if the checkpoints are folders")
        elif not resume.glob.endswith(tuple(parts.CHECKS)):
            kinds = ", ".join(sorted(parts.CHECKS))
            raise ConfigurationError(f"resume.glob: must end in what can be verified ({kinds}), or in '/' for folders")
        return TorchRecipe(resume)

    def recognises(self, command: list[str]) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def settings(self, command: list[str], cwd: Path) -> Settings:  # noqa: ARG002
        """Only what was declared counts."""
        return Settings(folder=None, output_name=None, problem="" if self._resume else _UNDECLARED)

    def told_apart_by(self, output_name: str | None) -> str | None:  # noqa: ARG002
        """The declared glob."""
        return self._resume.glob if self._resume else None

    def find(self, folder: Path, output_name: str | None) -> list[Found]:  # noqa: ARG002
        """What the glob names, the highest epoch and step first, or the newest. Raises ``CheckpointError``."""
        if self._pattern is None or self._resume is None:
            return []
        folders, numbered = str(self._resume.glob).endswith("/"), bool(self._pattern.groups)
        last = self._resume.complete[-1] if self._resume.complete else None
        found = []
        for entry in entries(folder, "checkpoints"):
            match = self._pattern.fullmatch(entry.name)
            if match and (entry.is_dir() if folders else entry.is_file()):
                told = {name: int(value) for name, value in match.groupdict().items()}
                epoch, step = told.get("epoch"), told.get("step")
                order = (epoch or 0, step or 0) if numbered else (parts.written_ns(entry.path, last), 0)
                found.append((order, Found(Path(entry.path), epoch, step, final=False, resumable=True)))
        return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]

    def verify(self, found: Found) -> str:
        """A file by its kind; of a folder every file of a kind that is known, and the order of those declared."""
        if not found.path.is_dir():
            return parts.CHECKS[found.path.suffix](found.path)
        complete = self._resume.complete if self._resume else []
        try:
            return (
                parts.missing(found.path, complete)
                or parts.damaged(found.path)
                or parts.out_of_order(found.path, complete)
            )
        except OSError as error:
            return f"{found.path}: cannot be read: {error.strerror}"

    def resume_command(self, command: list[str], cwd: Path, checkpoint: Checkpoint) -> list[str]:  # noqa: ARG002
        """The same command with the declared arguments in place of any earlier ones."""
        if self._resume is None:
            raise RefusedError(_UNDECLARED)
        split = script.split(command)
        return [*split.launcher, *template.put(split.arguments, self._resume.arguments, checkpoint)]

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:  # noqa: ARG002
        """Unknown: the template says nothing of it."""
        return []

    def resumed_from(self, command: list[str]) -> Resume | None:
        """From what the declared arguments name."""
        if self._resume is None or self._pattern is None:
            return None
        path = template.read(script.split(command).arguments, self._resume.arguments)
        if path is None:
            return None
        match = self._pattern.fullmatch(os.path.basename(path.rstrip("/")))  # noqa: PTH119
        told = {name: int(value) for name, value in match.groupdict().items()} if match else {}
        return Resume(path, told.get("epoch"), told.get("step"))


def _compile(glob: str) -> re.Pattern[str]:
    words = re.split(r"(\{epoch\}|\{step\}|\*|\?)", glob.removesuffix("/"))
    return re.compile("".join(_NUMBER.get(word) or re.escape(word) for word in words))
