"""From what the user asked for to a ``RunSpec``: everything that can be told before the launch is told here."""

import os
import shutil
import time
import uuid
from pathlib import Path

from msgspec import Struct, structs

from trainwarden import guide
from trainwarden.checkpoints import ADAPTERS, find_recipe, recipe_of, recognise
from trainwarden.checkpoints.base import Recipe
from trainwarden.config import Config, RunConfig
from trainwarden.errors import ConfigurationError
from trainwarden.launching import Launching
from trainwarden.model import RunSpec
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import engines, resumable
from trainwarden.supervise.apart import refuse_if_shared
from trainwarden.system import is_text


class Options(Struct, frozen=True, kw_only=True):
    """What the command line says; None where it says nothing."""

    cwd: str | None = None
    checkpoints: str | None = None
    output_name: str | None = None
    recipe: str | None = None
    profile: str | None = None
    gpus: list[int] | None = None
    adapt: str | None = None
    launcher: str | None = None


class Plan(Struct, frozen=True):
    """What will be launched."""

    spec: RunSpec
    warnings: list[str]
    """What the user should know now and not after a crash, a sentence each."""


def plan(name: str, *, command: list[str], config: Config, options: Options) -> Plan:
    """Plan the run. Arguments win over the ``runs:`` entry, and both over what the command itself says.

    Raises ``ConfigurationError`` or ``RunFolderError`` for whatever could not be launched.
    """
    refuse_if_live(RunFolder(name))
    entry = config.runs.get(name, RunConfig())
    chosen = command or entry.command
    if not chosen:
        raise ConfigurationError(
            f"run '{name}': no command; write it after '--', or as runs.{name}.command in trainwarden.yml"
        )
    cwd = _existing_folder(Path(options.cwd or entry.cwd or ".").expanduser().absolute())
    _check_text(chosen)
    launcher = _launcher(name, options.launcher, entry)
    if launcher is None or not launcher.elsewhere:
        _check_program(chosen[0], cwd, name)
    spec = structs.replace(describe(name, chosen, cwd, entry, options), declared=not command)
    refuse_if_shared(spec)
    warnings = recipe_of(spec).settings(chosen, cwd).warnings
    given = options.checkpoints or entry.checkpoints
    return Plan(spec, [*warnings, *_absent(given, spec), *_not_resumable(spec)])


def describe(name: str, command: list[str], cwd: Path, entry: RunConfig, options: Options) -> RunSpec:
    """The run of this command, as options, the ``runs:`` entry and the command itself say, in this order.

    Raises ``ConfigurationError``.
    """
    recipe = _recipe(name, options.recipe or entry.recipe or recognise(command).name, entry)
    settings = recipe.settings(command, cwd)
    given = options.checkpoints or entry.checkpoints
    output_name = options.output_name or entry.output_name or settings.output_name
    _check_names(cwd, given, output_name)
    checkpoints = cwd / Path(given).expanduser() if given else settings.folder
    return RunSpec(
        name=name,
        run_id=uuid.uuid4().hex,
        command=command,
        cwd=str(cwd),
        recipe=recipe.name,
        resume=entry.resume,
        checkpoints=_readable_folder(checkpoints),
        output_name=output_name,
        profile=_profile(options.profile or entry.profile or "balanced"),
        gpus=options.gpus if options.gpus is not None else entry.gpus,
        nodes=entry.nodes,
        launcher=_launcher(name, options.launcher, entry),
        adapt=_adapt(name, options.adapt or entry.adapt or "", recipe),
        settings=dict(settings.values),
        thresholds=entry.thresholds,
        limits=entry.limits,
        budget=entry.budget,
        created_at=time.time(),
    )


def check(name: str, entry: RunConfig) -> None:
    """Raise ``ConfigurationError`` for a ``runs:`` entry whose launch would be refused for its own words."""
    if not (entry.recipe or entry.command):
        return  # which trainer it is, only the command line will say
    try:
        known = find_recipe(entry.recipe) if entry.recipe else recognise(entry.command or [])
    except ConfigurationError as error:
        raise ConfigurationError(f"runs.{name}.recipe: {error}") from error
    _adapt(name, entry.adapt or "", _recipe(name, known.name, entry))


def refuse_if_live(folder: RunFolder) -> None:
    """Raise ``ConfigurationError`` where a run of this name is under way."""
    if is_attended(folder):
        raise live(folder)


def live(folder: RunFolder) -> ConfigurationError:
    """What to say where a run of this name is under way."""
    name = folder.name
    return ConfigurationError(
        f"run '{name}' is live; its output is in {folder.path}; stop it with `trainwarden stop {name}`, "
        "or take another name"
    )


def _existing_folder(cwd: Path) -> Path:
    if not cwd.is_dir():
        raise ConfigurationError(f"working directory {cwd}: is not a folder")
    return cwd


def _check_program(program: str, cwd: Path, run: str) -> None:
    """Look where the keeper's exec will look."""
    if os.sep in program:
        if not os.access(cwd / program, os.X_OK):
            raise ConfigurationError(f"command not found: {cwd / program} is not there, or not executable")
    elif shutil.which(program) is None:
        mend = "activate the training environment, or write its whole path"
        if shutil.which(run) is not None:
            mend = f"'{run}' was taken for the run's name; write one before it: trainwarden run NAME -- {run} …"
        raise ConfigurationError(f"command not found: '{program}' is not on PATH; {mend}")


def _check_text(command: list[str]) -> None:
    for argument in command:
        if not is_text(argument):
            raise ConfigurationError(f"argument {argument!r} of the command is not UTF-8, so run.json cannot hold it")


def _check_names(cwd: Path, checkpoints: str | None, output_name: str | None) -> None:
    named = {"working directory": str(cwd), "checkpoint folder": checkpoints, "output name": output_name}
    for what, name in named.items():
        if name is not None and not is_text(name):
            raise ConfigurationError(f"{what} {name!r} is not UTF-8, so run.json cannot hold it; rename it")


def _recipe(run: str, name: str, entry: RunConfig) -> Recipe:
    known = find_recipe(name)
    if entry.resume is None:
        return known
    try:
        return known.declared(entry.resume)
    except ConfigurationError as error:
        raise ConfigurationError(f"runs.{run}.{error}") from error


def _launcher(run: str, named: str | None, entry: RunConfig) -> Launching | None:
    """The engine of the ``runs:`` entry; one that needs no further word may be named at the launch alone."""
    declared = entry.launcher
    if named is None or (declared is not None and declared.chosen() == [named]):
        return declared
    if named not in engines.BARE:
        raise ConfigurationError(f"launcher {named}: needs its options; write them as runs.{run}.launcher.{named}")
    return engines.BARE[named]


def _adapt(run: str, adapt: str, recipe: Recipe) -> str:
    if adapt and recipe.name not in ADAPTERS:
        raise ConfigurationError(
            f"run '{run}': adapt: the guide's remedies are settings of kohya's trainer, and recipe {recipe.name} has"
            " none of them; remove it"
        )
    return adapt


def _profile(name: str) -> str:
    if name not in guide.PROFILES:
        raise ConfigurationError(f"unknown profile '{name}'; allowed here: {', '.join(sorted(guide.PROFILES))}")
    return name


def _readable_folder(folder: Path | None) -> str | None:
    """A folder that is not there yet may still be made by the trainer; one that cannot be listed never helps."""
    if folder is None:
        return None
    folder = Path(os.path.normpath(folder))
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise ConfigurationError(f"checkpoint folder {folder}: cannot be read as a folder; mend it or name another")
    return str(folder)


def _absent(given: str | None, spec: RunSpec) -> list[str]:
    if given is None or spec.checkpoints is None or Path(spec.checkpoints).exists():
        return []
    return [f"checkpoint folder {spec.checkpoints}: is not there yet; the trainer is expected to make it"]


def _not_resumable(spec: RunSpec) -> list[str]:
    said = resumable.problem(spec)
    return [f"if this run dies it cannot be resumed: {said}"] if said else []
