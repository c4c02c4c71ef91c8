"""Whether the files that a run's command names still say what they said at its launch.

One configuration file is often edited for the next training while this one runs. Resumed by it, the run would go on as
something else, and might write over what is not its own.
"""

import hashlib
from pathlib import Path

from trainwarden.checkpoints import recipe_of
from trainwarden.model import RunSpec

SUFFIXES = frozenset({".toml", ".yaml", ".yml", ".json", ".ini", ".cfg"})
"""Of the files that configure; data, weights and scripts are not read."""
MAX_BYTES = 4 * 1024 * 1024


def fingerprints(spec: RunSpec) -> dict[str, str]:
    """SHA-256 of every configuration file that an argument names (``--config_file luca.toml`` or ``--config=…``).

    And of those that the recipe knows of, each once.
    """
    cwd = Path(spec.cwd)
    arguments = (argument.rpartition("=")[2] for argument in spec.command[1:])
    named = [name for name in arguments if Path(name).suffix.lower() in SUFFIXES]
    named += recipe_of(spec).settings(spec.command, cwd).files
    found = {name: _digest(cwd / name) for name in named}
    return {name: digest for name, digest in found.items() if digest}


def changed(spec: RunSpec) -> str:
    """Which file is not what it was at the launch: one sentence with the mend; empty where none is."""
    for name, digest in spec.files_at_launch.items():
        if _digest(Path(spec.cwd) / name) != digest:
            return (
                f"{Path(spec.cwd) / name} is not what it was when the run was launched, so that the run would go on as"
                f" something else; put it back, or start anew with `trainwarden run {spec.name}`"
            )
    return ""


def _digest(path: Path) -> str:
    """Empty where there is no such file, or one that is too large to configure anything."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
