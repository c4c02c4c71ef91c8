"""Stepping down: the next generation with less demanding settings, where the user asked for it (``adapt: guide``).

What was changed stands in ``adapted.<generation>.toml`` in the run folder, which the generation's command names. So
the command in ``keeper.json`` alone tells which remedies are in force, whoever died meanwhile.
"""

from pathlib import Path

from trainwarden import system
from trainwarden.advise import remedies
from trainwarden.checkpoints import adapter_of
from trainwarden.checkpoints.arguments import options, text
from trainwarden.errors import RefusedError
from trainwarden.model import RunSpec, StepDown
from trainwarden.runs.folder import RunFolder

_HEAD = "# Derived by trainwarden with the guide's remedies: "


def steps_down(spec: RunSpec, argv: list[str]) -> dict[str, StepDown]:
    """By problem, what the next generation would change. Empty where the run is not to be adapted."""
    adapter = adapter_of(spec) if spec.adapt else None
    in_force = adapter.in_force(argv, Path(spec.cwd)) if adapter is not None else {}
    found = {problem: remedies.next_rung(problem, in_force) for problem in ("memory", "vram")}
    return {problem: _step(remedy, in_force) for problem, remedy in found.items() if remedy is not None}


def _step(remedy: remedies.Remedy, in_force: dict[str, remedies.Value]) -> StepDown:
    changed = remedies.frugal(remedy.values, in_force)
    changes = [f"{key}: {_toml(in_force[key])} → {_toml(value)}" for key, value in changed.items()]
    return StepDown(remedy=remedy.name, changes=changes, risk=remedy.risk)


def _toml(value: remedies.Value) -> str:
    return str(value).lower()


def taken(argv: list[str]) -> list[str]:
    """The remedies in force in this command, in the order in which they were taken."""
    named = text(options(argv), "config_file")
    if named is None or not Path(named).name.startswith("adapted."):
        return []
    try:
        first, _, _ = Path(named).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return []
    return first.removeprefix(_HEAD).split(", ") if first.startswith(_HEAD) else []


class Adapted:
    """The command of ``generation`` with every remedy taken so far and one more, before anything is written."""

    def __init__(self, folder: RunFolder, spec: RunSpec, generation: int, names: list[str]) -> None:
        self._target = folder.adapted_path(generation)
        self._spec = spec
        self._names = names
        self._text = ""

    def command(self, argv: list[str]) -> list[str]:
        """The same command, with the remedies. Raises ``RefusedError``."""
        adapter = adapter_of(self._spec)
        if not self._names:
            return argv
        if adapter is None:
            raise RefusedError(f"recipe {self._spec.recipe} knows nothing of the guide's remedies")
        in_force, cwd = adapter.in_force(self._spec.command, Path(self._spec.cwd)), Path(self._spec.cwd)
        wanted = {key: value for name in self._names for key, value in _remedy(name).values.items()}
        argv, derived = adapter.derive(argv, cwd, remedies.frugal(wanted, in_force), self._target)
        self._text = f"{_HEAD}{', '.join(self._names)}\n{derived}"
        return argv

    def write(self) -> None:
        """Write the derived file, which the command names."""
        if self._text:
            system.replace_file(self._target, self._text.encode(), durable=True)


def _remedy(name: str) -> remedies.Remedy:
    found = remedies.find(name)
    if found is None:
        raise RefusedError(f"'{name}' is none of the guide's remedies")
    return found


def check(name: str, offered: dict[str, StepDown]) -> None:
    """Refuse a remedy that is not the next one of this run. Raises ``RefusedError``."""
    if name and name not in {step.remedy for step in offered.values()}:
        raise RefusedError(f"'{name}' is not the next of the guide's remedies for this run")
