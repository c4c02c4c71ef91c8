"""Reading every run's folder: one that is broken, or hangs, takes only its own run away."""

import math
import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from msgspec import Struct

from trainwarden.collectors.base import Reading, faults_of, timeouts_of
from trainwarden.collectors.runs import life
from trainwarden.deadline import Deadline, Rounds
from trainwarden.errors import RunFolderError
from trainwarden.guide import PROFILES
from trainwarden.model import STEP_BUCKETS, ErrorKind, Phase, Progress, RunSpec, RunState
from trainwarden.names import RUN_NAME
from trainwarden.runs.folder import RunFolder, best_progress
from trainwarden.runs.remembered import RememberedFolder

LIST_SECONDS = 0.2
"""For the listing of the folder that holds the runs' folders."""
EACH_SECONDS = 0.15
WHOLE_SECONDS = 0.3
"""For one run's folder, and for all of them together."""

_NO_ERRORS = dict.fromkeys((kind.value for kind in ErrorKind), 0)


class Run(Struct, frozen=True, kw_only=True):
    """One run."""

    name: str
    spec: RunSpec
    state: RunState | None
    """None until the supervisor's first beat."""
    progress: Progress | None
    """Of the current generation."""
    up: bool
    phase: Phase | None
    """None where it is not known, so that no alert speaks of it: an attached run whose output nobody reads."""
    phase_since: float | None
    errors: dict[str, int]
    """By ErrorKind value, every kind."""
    nonfinite_losses: int
    writers: dict[str, float]
    """When each writer of progress last had something to read or to say."""

    @property
    def generation(self) -> int:
        """The number of the launch; 0 before the first."""
        return self.state.generation if self.state else 0


class RunsReading(Reading, frozen=True, kw_only=True):
    """Every run that is live, or not over for long."""

    runs: tuple[Run, ...] = ()
    complete: bool = True
    """Whether every folder was read: else there may be runs that are not among these."""


class Runs:
    """The folders of the runs under ``root``; a run that is over leaves after ``keep_ended`` seconds."""

    def __init__(self, root: Path, keep_ended: float) -> None:
        self._root = root
        self._keep_ended = keep_ended
        self._folders: dict[str, RememberedFolder] = {}
        self._listing: Deadline[list[str]] = Deadline(f"the folder of the runs, {root},", LIST_SECONDS)
        self._rounds: Rounds[str, Run | None] = Rounds(EACH_SECONDS, WHOLE_SECONDS)

    def read(self, now: float, boot_id: str, seconds: float = math.inf) -> RunsReading:
        """Read them all. Raises ``OverdueError`` where the listing hangs; ``seconds`` can only tighten the deadline."""
        found = self._listing.run(partial(_list, self._root), seconds)
        self._folders = {name: self._folders.get(name) or RememberedFolder(name, self._root) for name in found}
        read = {name: partial(self._read, folder, now, boot_id) for name, folder in self._folders.items()}
        said = self._rounds.read(read, seconds)
        faults = faults_of(said)
        runs = tuple(run for run in said.values() if isinstance(run, Run))
        return RunsReading(runs=runs, complete=not faults, faults=faults, timeouts=timeouts_of(said))

    def _read(self, folder: RememberedFolder, now: float, boot_id: str) -> Run | None:
        """None for what is no run, and for one that is over for long."""
        spec, state, found = folder.read_spec(), folder.read_state(), folder.read_progress()
        if spec is None:
            return None
        if state is not None and state.run_id != spec.run_id:
            state = None  # of an earlier use of the name
        unseen = life.is_unseen(folder, spec, state, now, boot_id)
        unattended = not unseen and life.is_unattended(folder, spec, state, now, boot_id)
        over_since = life.over_since(spec, state, unattended)
        if over_since is not None and now - over_since > self._keep_ended:
            return None
        run = _run(spec, state, found, unseen=unseen, lost=unattended and state is not None and state.ended is None)
        _check(folder, run)
        return run


def _list(root: Path) -> list[str]:
    """The names of what may be runs, sorted; what lies beneath is not touched."""
    try:
        return sorted(filter(RUN_NAME.fullmatch, os.listdir(root)))  # noqa: PTH208  (no Path a run)
    except FileNotFoundError:
        return []


def _run(spec: RunSpec, state: RunState | None, found: list[Progress], *, unseen: bool, lost: bool) -> Run:
    progress = life.seen(spec, best_progress(found, state.generation)) if state and not unseen else None
    phase, since = life.phase(spec, state, progress, lost)
    return Run(
        name=spec.name,
        spec=spec,
        state=state,
        progress=progress,
        up=state is not None and state.training is not None and state.ended is None and not lost,
        phase=phase,
        phase_since=since,
        errors=_errors(found),
        nonfinite_losses=max((p.nonfinite_losses for p in found), default=0),
        writers={p.writer: p.beat_at for p in found if p.rank == 0},
    )


def _check(folder: RunFolder, run: Run) -> None:
    """What is written well, and cannot be used here all the same."""
    profile = run.spec.profile
    if profile not in PROFILES:
        raise RunFolderError(
            f"{folder.spec_path}: profile '{profile}' is not one of {', '.join(PROFILES)}; launch the run anew"
        )
    durations = run.progress and run.progress.durations
    if run.progress and durations and len(durations.counts) != len(STEP_BUCKETS) + 1:
        raise RunFolderError(
            f"{folder.progress_path(run.progress.writer, run.progress.rank)}: durations.counts holds"
            f" {len(durations.counts)} counts where {len(STEP_BUCKETS) + 1} are meant; its writer is of another version"
            " of trainwarden"
        )


def _errors(found: Iterable[Progress]) -> dict[str, int]:
    """Each kind once: several writers may have seen the same error, so the most that any of them saw."""
    errors = dict(_NO_ERRORS)
    for progress in found:
        for kind, count in progress.errors.items():
            errors[kind] = max(count, errors.get(kind, 0))
    return errors
