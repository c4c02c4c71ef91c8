"""Whose heartbeat this is: the run, its generation, and which of several processes."""

import json
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

from trainwarden import names, system

_log = logging.getLogger(__name__)

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "LOCAL_RANK")
"""Where launchers say which process this is; the surest first."""


class Target(NamedTuple):
    """The file, and the generation that is written into it."""

    path: Path
    generation: int
    rank: int


class Place:
    """Finds the file. ``name`` and ``rank`` as in ``Heartbeat``."""

    def __init__(self, name: str | None, rank: int | None) -> None:
        run = os.environ.get(names.RUN_ENVIRONMENT)
        generation = os.environ.get(names.GENERATION_ENVIRONMENT, "")
        self.launched = bool(run) and generation.isdecimal()
        self._generation = int(generation) if self.launched else 0
        # Under `trainwarden run` the name of that run holds: a name in a script that was copied must not mislead.
        self.run = run if self.launched else name
        self.rank = _rank() if rank is None else rank
        if self.run is None:
            _log.debug("no heartbeat: $%s is not set, so this is no run of trainwarden", names.RUN_ENVIRONMENT)

    def find(self) -> Target | None:
        """The file; None while there is none to write. Raises ``ValueError`` for a name that is none."""
        if self.run is None:
            return None
        if not names.RUN_NAME.fullmatch(self.run):
            raise ValueError(f"run name {self.run!r}: {names.RUN_NAME_RULE}")
        folder = system.state_root() / "runs" / self.run
        generation = self._generation if self.launched else _watched_generation(folder / "state.json")
        rank = int(self.rank)
        return None if generation is None else Target(folder / f"progress/heartbeat-{rank}.json", generation, rank)

    def same(self, other: "Place") -> bool:
        """Whether both mean one file."""
        return (self.run, self.rank) == (other.run, other.rank)


def _watched_generation(state_path: Path) -> int | None:
    """The generation in whose state this very process stands; None: whoever the run is, it is not us."""
    try:
        state = json.loads(state_path.read_bytes())
        here = system.read_stat(os.getpid())
        known = [state.get("training"), *state["members"]]
        return state["generation"] if here is not None and any(_is(entry, here) for entry in known) else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _is(entry: Any, here: system.ProcessStat) -> bool:
    return isinstance(entry, dict) and (entry["pid"], entry["start_time"]) == (here.pid, here.start_time)


def _rank() -> int:
    said = (os.environ.get(variable, "") for variable in RANKS)
    return next((int(value) for value in said if value.isdecimal()), 0)
