"""How a kohya training is written on a command line: the launcher, the trainer's script, and its options.

argparse reads the options, so they come as ``--name value`` or ``--name=value`` and the last one counts. The launcher
has options of its own (accelerate has a ``--config_file`` too), hence the split at the script.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import yaml
from msgspec import Struct

SCRIPTS = frozenset(
    f"{family}train_network" for family in ("", "sdxl_", "sd3_", "flux_", "lumina_", "hunyuan_image_", "anima_")
)
"""sd-scripts' LoRA trainers, which share one training loop. (``sdxl_train.py`` does not restore its position.)"""
DEMO = "trainwarden.demo"
SWITCHES = frozenset({"save_state", "skip_until_initial_step"})
"""The options read here that take no value."""


class Command(Struct, frozen=True):
    """A command line, split behind the trainer's script."""

    launcher: list[str]
    """Everything up to and including the script."""
    arguments: list[str]


def split(command: list[str]) -> Command | None:
    """Find the trainer's script; None where no argument of its own is one."""
    for index, word in enumerate(command):
        if _is_script(word, before=command[index - 1] if index else ""):
            return Command(launcher=command[: index + 1], arguments=command[index + 1 :])
    return None


def _is_script(word: str, before: str) -> bool:
    if before in ("-m", "--module"):
        return word == DEMO or word.rpartition(".")[2] in SCRIPTS
    path = PurePath(word)
    return path.suffix == ".py" and path.stem in SCRIPTS


def options(arguments: list[str]) -> dict[str, str | bool]:
    """Every option by name; True for one without a value. Of several, the last counts."""
    return {name: True if value is None else value for name, value, _ in _parts(arguments) if name}


def without(arguments: list[str], names: frozenset[str]) -> list[str]:
    """The arguments with these options dropped in both spellings, everything else as it was."""
    return [word for name, _, words in _parts(arguments) if name not in names for word in words]


def _parts(arguments: list[str]) -> Iterator[tuple[str, str | None, list[str]]]:
    """Name, value and words of each option; a word that belongs to none comes alone, without a name."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        index += 1
        if not word.startswith("--"):
            yield "", None, [word]
            continue
        name, joined, value = word[2:].partition("=")
        if joined:
            yield name, value, [word]
        elif name not in SWITCHES and index < len(arguments) and not arguments[index].startswith("--"):
            yield name, arguments[index], [word, arguments[index]]
            index += 1
        else:
            yield name, None, [word]


def processes(launcher: list[str], cwd: Path) -> int | None:
    """How many training processes the launcher starts; None where only the launcher knows (it counts the GPUs)."""
    programs = {PurePath(word).name for word in launcher}
    given = options(launcher)
    if programs & {"torchrun", "torch.distributed.run"}:
        return _number(given.get("nproc_per_node", given.get("nproc-per-node", "1")))
    if programs & {"accelerate", "accelerate.commands.launch"}:
        return _number(given.get("num_processes", _accelerate_default(given.get("config_file"), cwd)))
    return 1


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdecimal() else None


def _accelerate_default(named: str | bool | None, cwd: Path) -> object:
    """``num_processes`` of accelerate's own configuration file, which `accelerate config` writes."""
    path = cwd / named if isinstance(named, str) else _accelerate_file()
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return read.get("num_processes") if isinstance(read, dict) else None


def _accelerate_file() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface") / "accelerate/default_config.yaml"
