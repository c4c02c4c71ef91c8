"""The demo's command line: kohya's own options under kohya's names, and the demo's own (speed, and what goes wrong)."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Options:
    """The command line, typed. Durations are seconds."""

    output_dir: Path
    output_name: str | None
    max_train_epochs: int
    save_every_n_epochs: int | None
    save_last_n_epochs: int | None
    save_state: bool
    resume: Path | None
    initial_epoch: int | None
    initial_step: int | None
    seed: int
    steps_per_epoch: int
    step_seconds: float
    caching_seconds: float
    save_seconds: float
    hang_at_step: int | None
    crash_at_step: int | None
    oom_at_step: int | None
    strike_when: Path | None
    crash_after_resume: bool
    ignore_sigterm: bool
    spawn_child: bool
    vae_batch_size: int
    oom_above_vae_batch: int | None

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.max_train_epochs * self.steps_per_epoch


def parse(arguments: list[str]) -> Options:
    """Read the command line; argparse answers a mistake with one sentence and exit status 2."""
    parser = argparse.ArgumentParser(prog="python -m trainwarden.demo", description=__doc__)
    _add_kohya(parser)
    _add_speed(parser)
    _add_faults(parser)
    known, _ = parser.parse_known_args(arguments)
    parser.set_defaults(**_in_file(parser, known.config_file))  # as in kohya, the command line wins
    given = vars(parser.parse_args(arguments))
    given.pop("config_file")
    return Options(**given)


def _in_file(parser: argparse.ArgumentParser, file: Path | None) -> dict[str, Any]:
    """What the file says of options that are known here; like kohya's trainers, the rest is passed over."""
    if file is None:
        return {}
    try:
        read = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        parser.error(f"--config_file {file}: {error}")
    flat: dict[str, Any] = {}
    for key, value in read.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    known = {action.dest for action in parser._actions}
    return {key: value for key, value in flat.items() if key in known}


def _add_kohya(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("kohya's own").add_argument
    add("--output_dir", type=Path, required=True, help="where checkpoints are written")
    add("--output_name", help="what their names begin with (default, as kohya's: epoch, and last for the final ones)")
    add("--max_train_epochs", type=_count, default=6, help="epochs of the whole run (default: %(default)s)")
    add("--save_every_n_epochs", type=_count, help="save after every so many epochs")
    add("--save_last_n_epochs", type=_count, help="keep the checkpoints of so many epochs, delete older ones")
    add("--save_state", action="store_true", help="save optimizer, scheduler and step too, so that it can be resumed")
    add("--resume", type=Path, help="the state folder to go on from")
    add("--initial_epoch", type=_count, help="the epoch to begin with, from 1")
    add("--initial_step", type=_count, help="the steps already taken; outweighs --initial_epoch")
    add("--config_file", type=Path, help="a TOML file of these options; the command line wins")
    add("--vae_batch_size", type=_count, default=1, help="does nothing but need memory (default: %(default)s)")
    add("--seed", type=int, default=42, help="of data and initial weights (default: %(default)s)")


def _add_speed(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("speed").add_argument
    add("--steps_per_epoch", type=_count, default=10, help="steps of an epoch (default: %(default)s)")
    add("--step_seconds", type=_seconds, default=0.0, help="how long a step takes at least")
    add("--caching_seconds", type=_seconds, default=0.0, help="how long the caching before the first step takes")
    add("--save_seconds", type=_seconds, default=0.0, help="how long the writing of one file takes at least")


def _add_faults(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("what goes wrong (at a step: only in a process that did not resume)").add_argument
    add("--hang-at-step", type=_count, help="block for ever inside this step of the run")
    add("--crash-at-step", type=_count, help="die of a CUDA error inside this step")
    add("--oom-at-step", type=_count, help="run out of GPU memory inside this step")
    add(
        "--oom-above-vae-batch",
        type=_count,
        help="--oom-at-step strikes while --vae_batch_size is larger, resumed or not",
    )
    add("--strike-when", type=Path, help="a file that names what goes wrong (hang, crash, disk-full) once it is there")
    add("--crash-after-resume", action="store_true", help="die of a CUDA error inside the first step after a resume")
    add("--ignore-sigterm", action="store_true", help="ignore SIGTERM")
    add("--spawn-child", action="store_true", help="leave a child in a session of its own, for an hour at most")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
