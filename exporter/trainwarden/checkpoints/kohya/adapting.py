"""Kohya's memory settings: which are in force, and the same command with others.

The user's own file is never touched: what changes stands in a file derived from it, comments and all, and what the
command line says of the same keys is dropped, since it would win.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwarden.checkpoints.arguments import without
from trainwarden.checkpoints.kohya import command as line
from trainwarden.checkpoints.kohya.settings import Options, flatten, read_options
from trainwarden.errors import RefusedError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NUMBERS = {"max_data_loader_n_workers": 8, "vae_batch_size": 1, "gradient_accumulation_steps": 1}
_SWITCHES = (
    "persistent_data_loader_workers",
    "lowram",
    "cache_latents_to_disk",
    "gradient_checkpointing",
)
"""Off unless given. Numbers and switches have sd-scripts' own defaults (its ``library/train_util.py``)."""
_ALL_SWITCHES = line.SWITCHES | set(_SWITCHES)


class KohyaAdapter:
    """Implements ``checkpoints.base.Adapter``."""

    def in_force(self, command: list[str], cwd: Path) -> dict[str, int | bool]:
        """Numbers and switches, by key. Empty where the command or its file cannot be read."""
        parts = line.split(command)
        options = read_options(parts.arguments, cwd) if parts else Options({}, {}, fault="no script")
        if parts is None or options.fault:
            return {}
        numbers = {key: _number(options, key, default) for key, default in _NUMBERS.items()}
        if line.processes(parts.launcher, cwd) != 1:
            # Several processes are resumed by a count of steps, which another accumulation would count otherwise.
            del numbers["gradient_accumulation_steps"]
        return {**numbers, **{key: options.switch(key) for key in _SWITCHES}}

    def derive(
        self, command: list[str], cwd: Path, values: Mapping[str, int | bool], target: Path
    ) -> tuple[list[str], str]:
        """The command with ``values``, which reads ``target``; and the text of that file."""
        parts = line.split(command)
        if parts is None:
            raise RefusedError("the command does not show the trainer's script, so its settings cannot be changed")
        options = read_options(parts.arguments, cwd)
        if options.fault:
            raise RefusedError(options.fault)
        text = _with(options.file, values)
        kept = without(parts.arguments, {"config_file", *values}, _ALL_SWITCHES)
        return [*parts.launcher, *kept, "--config_file", str(target)], text


def _number(options: Options, key: str, default: int) -> int:
    found = options.number(key)
    return default if found is None else found


def _with(file: Path | None, values: Mapping[str, int | bool]) -> str:
    """The file's text with these values, each where its key stood. Raises ``RefusedError`` if it would say other."""
    import tomlkit  # only where something is changed

    text = file.read_text(encoding="utf-8") if file is not None else ""
    document: Any = tomlkit.parse(text)
    for key, value in values.items():
        _holder(document, key)[key] = value
    changed = tomlkit.dumps(document)
    if flatten(tomllib.loads(changed)) != {**flatten(tomllib.loads(text)), **values}:
        raise RefusedError(f"{file}: could not be derived from without changing more than {', '.join(values)}")
    return changed


def _holder(document: Any, key: str) -> Any:
    """The last section that has the key, for that one counts; the document itself where none has."""
    sections = [section for section in document.values() if isinstance(section, dict) and key in section]
    return sections[-1] if sections else document
