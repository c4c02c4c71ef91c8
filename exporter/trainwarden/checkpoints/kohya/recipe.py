"""The recipe: what the other files of this folder know, behind the contract of ``checkpoints.base``."""

from pathlib import Path

from trainwarden.checkpoints import safetensors, torchzip
from trainwarden.checkpoints.arguments import without
from trainwarden.checkpoints.base import Found, Recipe, Settings
from trainwarden.checkpoints.kohya import command as line
from trainwarden.checkpoints.kohya import files, state
from trainwarden.checkpoints.kohya.settings import Options, read_options, read_settings, unresumable
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

_RESUME_OPTIONS = frozenset({"resume", "initial_epoch", "initial_step", "skip_until_initial_step"})


class KohyaRecipe:
    """Implements ``checkpoints.base.Recipe``."""

    name = "kohya"
    samples: str | None = "sample"
    epochs_agree = True
    flat = True

    def declared(self, resume: ResumeTemplate) -> Recipe:  # noqa: ARG002
        """Raises ``ConfigurationError``: how kohya resumes is known."""
        raise ConfigurationError("resume: recipe kohya knows how its trainer is resumed; remove it")

    def recognises(self, command: list[str]) -> bool:
        """Whether an argument is one of the scripts (also behind accelerate, torchrun or ``python -m``)."""
        return line.split(command) is not None

    def settings(self, command: list[str], cwd: Path) -> Settings:
        """Read from the command line and the TOML file that it names."""
        return read_settings(command, cwd)

    def told_apart_by(self, output_name: str | None) -> str | None:
        """What the names of its epochs' checkpoints begin with."""
        return files.names(output_name).epoch

    def find(self, folder: Path, output_name: str | None) -> list[Found]:
        """The run's checkpoints by name, newest training position first. Raises ``CheckpointError``."""
        return files.find(folder, output_name)

    def verify(self, found: Found) -> str:
        """Empty where the checkpoint is whole, else one sentence that names the file and the fault."""
        if found.path.is_dir():
            return state.fault(found.path, found.epoch)
        check = safetensors.fault if found.path.suffix == ".safetensors" else torchzip.fault
        return check(found.path)

    def resume_command(self, command: list[str], cwd: Path, checkpoint: Checkpoint) -> list[str]:
        """The same command with ``--resume STATE --initial_epoch N+1`` in place of any earlier resume."""
        parts = line.split(command)
        if parts is None:
            raise RefusedError(read_settings(command, cwd).problem)
        options = read_options(parts.arguments, cwd)
        epoch = _check(checkpoint, options)
        _check_unfinished(checkpoint, options)
        position = _position(epoch, checkpoint, line.processes(parts.launcher, cwd))
        kept = without(parts.arguments, _RESUME_OPTIONS, line.SWITCHES)
        return [*parts.launcher, *kept, "--resume", checkpoint.path, *position]

    def resumed_from(self, command: list[str]) -> Resume | None:
        """From ``--resume``; the epoch by ``--initial_epoch``, else by the folder's name."""
        parts = line.split(command)
        options = read_options(parts.arguments, Path()) if parts else Options({}, {})
        path = options.text("resume")
        if path is None:
            return None
        first, step = options.number("initial_epoch"), options.number("initial_step")
        epoch = first - 1 if first and step is None else files.epoch_of(Path(path))
        return Resume(checkpoint=path, epoch=epoch, step=step)

    def rotates(self, command: list[str], cwd: Path, older: list[Checkpoint], chosen: Checkpoint) -> list[str]:
        """After epoch E the trainer deletes what it saved ``save_last_n_epochs`` saves earlier, never at its end."""
        parts = line.split(command)
        options = read_options(parts.arguments, cwd) if parts else Options({}, {})
        every, last = options.number("save_every_n_epochs"), options.number("max_train_epochs")
        weights = options.number("save_last_n_epochs")
        states = options.number("save_last_n_epochs_state") or weights
        if not every:
            return []

        def goes(checkpoint: Checkpoint) -> bool:
            kept = states if checkpoint.resumable else weights
            if checkpoint.epoch is None or chosen.epoch is None or kept is None:
                return False
            epoch = checkpoint.epoch + every * kept
            return epoch % every == 0 and chosen.epoch < epoch < (last or epoch + 1)

        return [checkpoint.path for checkpoint in (*older, chosen) if goes(checkpoint)]


def _check(checkpoint: Checkpoint, options: Options) -> int:
    """The checkpoint's epoch, if it can be gone on from exactly."""
    if checkpoint.final:
        raise RefusedError(f"{checkpoint.path}: was written at the end of the training, so nothing is left to resume")
    if not checkpoint.resumable or checkpoint.epoch is None:
        raise RefusedError(
            f"{checkpoint.path}: is not the state of an epoch, so the trainer would lose its optimizer or its place; "
            "choose a NAME-00000N-state folder"
        )
    if problem := unresumable(options):
        raise RefusedError(problem)
    return checkpoint.epoch


def _check_unfinished(checkpoint: Checkpoint, options: Options) -> None:
    last = options.number("max_train_epochs")
    if last is not None and checkpoint.epoch is not None and checkpoint.epoch >= last:
        raise RefusedError(f"{checkpoint.path}: holds the last of {last} epochs, so nothing is left to resume")
    for weights in files.final_weights(Path(checkpoint.path), options.text("output_name")):
        found = Found(path=weights, epoch=None, step=None, final=True, resumable=False)
        if weights.is_file() and weights.stat().st_mtime >= checkpoint.modified_at and not KohyaRecipe().verify(found):
            raise RefusedError(f"{weights}: is whole and newer than {checkpoint.path}: the training has ended")


def _position(epoch: int, checkpoint: Checkpoint, processes: int | None) -> list[str]:
    """With several processes sd-scripts divides the epoch's length twice, and only ``--initial_step`` is right."""
    if processes == 1 or (processes is None and checkpoint.step is None):
        return ["--initial_epoch", str(epoch + 1)]
    if checkpoint.step is None:
        raise RefusedError(
            f"{checkpoint.path}: with {processes} processes the trainer must be told the step, and the steps of an "
            "epoch are not known yet; resume by hand with --initial_step"
        )
    return ["--initial_step", str(checkpoint.step)]
