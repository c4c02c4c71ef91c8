"""What a kohya command says about its checkpoints, and why it could not be resumed.

Options come from the command line and from the TOML file that ``--config_file`` names: sd-scripts flattens the file's
sections and parses the command line over them, so the command line wins, but a switch that the file sets cannot be
unset. It takes unknown keys in the file without a word, so a misspelt one is told here.
"""

import difflib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from trainwarden.checkpoints.arguments import options
from trainwarden.checkpoints.base import Settings
from trainwarden.checkpoints.kohya import command as line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_READ = (
    "output_dir",
    "output_name",
    "save_state",
    "save_every_n_epochs",
    "save_last_n_epochs",
    "save_last_n_epochs_state",
    "max_train_epochs",
    "skip_until_initial_step",
    "initial_epoch",
    "initial_step",
    "resume",
)
_GUIDED_NUMBERS = (
    "gradient_accumulation_steps",
    "vae_batch_size",
    "max_data_loader_n_workers",
    "train_batch_size",
    "max_train_epochs",
    "save_every_n_epochs",
    "save_last_n_epochs",
)
"""The numbers that the guide speaks of (§3); one that is not set is what this version of the trainer takes it for."""
_ALIKE = (
    "save_every_n_steps",
    "save_last_n_steps",
    "save_last_n_steps_state",
    "save_n_epoch_ratio",
    "save_state_on_train_end",
    "save_state_to_huggingface",
    "max_train_steps",
)
"""Keys of sd-scripts that look like the ones above and are not misspelt."""

_NO_SCRIPT = (
    "the command does not show kohya's script (train_network.py, say), so arguments for a resume may not reach it; "
    "write the trainer's own command after '--', not a script that wraps it"
)


class Options(Struct, frozen=True):
    """The trainer's options as it will see them."""

    given: dict[str, Any]
    in_file: dict[str, Any]
    """Those of the configuration file alone."""
    file: Path | None = None
    fault: str = ""
    """Why the configuration file could not be read: one sentence."""

    def text(self, name: str) -> str | None:
        """An option's value as text."""
        value = self.given.get(name)
        return None if value is None or isinstance(value, bool) else str(value)

    def number(self, name: str) -> int | None:
        """An option's value as a whole number; None also for what is none (the trainer refuses it itself)."""
        text = self.text(name)
        return int(text) if text is not None and text.isdecimal() else None

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return bool(self.given.get(name))


def read_options(arguments: list[str], cwd: Path) -> Options:
    """Read the command line's options, and under them those of the file that it names."""
    given = options(arguments, line.SWITCHES)
    named = given.get("config_file")
    if not isinstance(named, str):
        return Options(given=given, in_file={})
    path = cwd / _with_ending(named)
    try:
        in_file = flatten(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        return Options(given, {}, path, f"{path}: cannot be read: {error.strerror}; mend --config_file")
    except ValueError as error:
        return Options(given, {}, path, f"{path}: is not TOML: {error}; mend the file")
    return Options({**in_file, **given}, in_file, path)


def _with_ending(named: str) -> str:
    """As sd-scripts completes it."""
    return named if named.endswith(".toml") else f"{named}.toml"


def flatten(sections: dict[str, Any]) -> dict[str, Any]:
    """A TOML file's keys as sd-scripts sees them: sections do not count."""
    flat: dict[str, Any] = {}
    for key, value in sections.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    return flat


def read_settings(command: list[str], cwd: Path) -> Settings:
    """Where the trainer writes, and what stands against a resume or should be told at launch."""
    parts = line.split(command)
    options = read_options(parts.arguments if parts else command, cwd)
    output = options.text("output_dir")
    return Settings(
        folder=Path(os.path.abspath(cwd / output)) if output else None,  # noqa: PTH100  (resolve() follows links)
        output_name=options.text("output_name"),
        problem=next(_problems(options), "") if parts else _NO_SCRIPT,
        warnings=tuple(_warnings(options, line.processes(parts.launcher, cwd) if parts else 1)),
        values=_guided(options) if parts and not options.fault else {},
        files=tuple(_files(options)),
    )


def _files(options: Options) -> Iterator[str]:
    """The file that ``--config_file`` means, with the ending that may be left out, and the data set's that it names."""
    named = options.text("config_file")
    if named is not None:
        yield _with_ending(named)
    dataset = options.in_file.get("dataset_config")
    if isinstance(dataset, str):
        yield dataset


def _guided(options: Options) -> dict[str, float]:
    numbers = ((name, options.number(name)) for name in _GUIDED_NUMBERS)
    switches = {name: float(options.switch(name)) for name in line.GUIDED_SWITCHES}
    return switches | {name: float(number) for name, number in numbers if number is not None}


def unresumable(options: Options) -> str:
    """Why no resume of these options would go on from the right step: one sentence, or empty."""
    if options.fault:
        return options.fault
    if options.in_file.get("skip_until_initial_step"):
        return (
            f"{options.file}: skip_until_initial_step = true cannot be undone from the command line, and lands a "
            "resume in the wrong epoch; remove it"
        )
    if "initial_step" in options.in_file:
        return (
            f"{options.file}: initial_step cannot be undone from the command line, and outweighs --initial_epoch; "
            "remove it"
        )
    return ""


def _problems(options: Options) -> Iterator[str]:
    yield from filter(None, [unresumable(options)])
    if not options.text("output_dir"):
        yield "the trainer is given no --output_dir, so no checkpoint can be found; add --output_dir FOLDER"
    if not options.switch("save_state"):
        yield (
            "the trainer saves weights without optimizer and step, so a crash would lose the whole run; "
            "add --save_state (and --save_every_n_epochs 1)"
        )
    every = options.number("save_every_n_epochs")
    if not every and not options.number("save_n_epoch_ratio"):
        yield (
            "--save_state alone saves nothing before the end, and states between epochs cannot be resumed exactly; "
            "add --save_every_n_epochs 1"
        )
    epochs = options.number("max_train_epochs")
    if every and epochs and every >= epochs:
        yield (
            f"--save_every_n_epochs {every} of {epochs} epochs saves no state before the end; "
            f"choose a number below {epochs}"
        )


def _warnings(options: Options, processes: int | None) -> Iterator[str]:
    kept = "save_last_n_epochs_state" if options.number("save_last_n_epochs_state") else "save_last_n_epochs"
    if options.number(kept) == 1:
        yield f"--{kept} 1 keeps one state only: should it turn out damaged there is none before it; keep 2 or more"
    if options.text("resume") and not (options.text("initial_epoch") or options.text("initial_step")):
        yield (
            "--resume without --initial_epoch starts in the wrong epoch where the state was itself written after a "
            "resume; add --initial_epoch, the epoch in the folder's name plus 1"
        )
    if processes is not None and processes > 1:
        yield f"with {processes} processes a resume needs the steps of an epoch from the trainer's header"
    for name in options.given:
        meant = difflib.get_close_matches(name, _READ, n=1, cutoff=0.88)
        if meant and name not in _READ and name not in _ALIKE:
            yield f"'{name}' is not an option of the trainer; was '{meant[0]}' meant?"
