"""How a kohya training is written on a command line: the launcher, the trainer's script, and its options.

The launcher has options of its own (accelerate has a ``--config_file`` too), hence the split at the script.
"""

import os
from pathlib import Path, PurePath

from msgspec import Struct

from trainwarden.checkpoints.arguments import options

SCRIPTS = frozenset(
    f"{family}train_network" for family in ("", "sdxl_", "sd3_", "flux_", "lumina_", "hunyuan_image_", "anima_")
)
"""sd-scripts' LoRA trainers, which share one training loop. (``sdxl_train.py`` does not restore its position.)"""
DEMO = "trainwarden.demo"
GUIDED_SWITCHES = (
    "gradient_checkpointing",
    "persistent_data_loader_workers",
    "lowram",
    "cache_latents",
    "cache_latents_to_disk",
)
"""The switches that the guide speaks of (§3)."""
SWITCHES = frozenset({"save_state", "skip_until_initial_step", *GUIDED_SWITCHES})
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


def processes(launcher: list[str], cwd: Path) -> int | None:
    """How many training processes the launcher starts; None where only the launcher knows (it counts the GPUs)."""
    programs = {PurePath(word).name for word in launcher}
    given = options(launcher)
    if programs & {"torchrun", "torch.distributed.run"}:
        return _number(given.get("nproc_per_node", "1"))
    if programs & {"accelerate", "accelerate.commands.launch"}:
        return _number(given.get("num_processes", _accelerate_default(given.get("config_file"), cwd)))
    return 1


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdecimal() else None


def _accelerate_default(named: str | bool | None, cwd: Path) -> object:
    """``num_processes`` of accelerate's own configuration file, which `accelerate config` writes."""
    import yaml  # 1 MB that only a reader of that file carries

    path = cwd / named if isinstance(named, str) else _accelerate_file()
    try:
        read = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return read.get("num_processes") if isinstance(read, dict) else None


def _accelerate_file() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("HF_HOME") or cache / "huggingface") / "accelerate/default_config.yaml"
