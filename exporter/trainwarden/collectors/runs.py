"""The runs, as their folders tell: one phase, steps and their durations, members, errors, and the GPUs they use."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from trainwarden import names
from trainwarden.collectors.base import Reading, metric
from trainwarden.errors import RunFolderError
from trainwarden.guide import PROFILES
from trainwarden.model import STEP_BUCKETS, Ended, ErrorKind, Outcome, Phase, Progress, RunSpec, RunState, StepDurations
from trainwarden.names import Family
from trainwarden.runs.attendance import is_attended
from trainwarden.runs.folder import RunFolder, best_progress, list_runs
from trainwarden.series import Buckets, Series

KEEP_ENDED_SECONDS = 7 * 86400.0
"""A run that is over for longer is history, which Prometheus has: years of runs must not pile up in each scrape."""

_PHASE_OF = {
    Outcome.FINISHED: Phase.FINISHED,
    Outcome.CRASHED: Phase.FAILED,
    Outcome.STOPPED_BY_USER: Phase.STOPPED,
    Outcome.STOPPED_FOR_RESTART: Phase.STOPPED,
}
_BEAT_LOST_SECONDS = 30.0
"""An older beat is one that stopped, where nobody is there either; a supervisor beats every second."""


class Run(Struct, frozen=True, kw_only=True):
    """One run."""

    spec: RunSpec
    state: RunState | None
    """None until the supervisor's first beat."""
    progress: Progress | None
    """Of the current generation."""
    up: bool
    phase: Phase
    phase_since: float
    errors: dict[str, int]
    """By ErrorKind value, every kind."""
    gpus: tuple[tuple[int, str], ...]
    """Index and UUID; empty where unknown."""

    @property
    def name(self) -> str:
        """The run's name."""
        return self.spec.name

    @property
    def generation(self) -> int:
        """The number of the launch; 0 before the first."""
        return self.state.generation if self.state else 0


class RunsReading(Reading, frozen=True, kw_only=True):
    """Every run that is live, or not over for long."""

    runs: tuple[Run, ...] = ()


def read(root: Path, now: float, boot_id: str, gpus: Mapping[str, int]) -> RunsReading:
    """Read every run folder under ``root``; ``gpus`` are the cards of this machine, index by UUID.

    A folder that cannot be read is a fault and leaves the other runs' series as they are.
    """
    runs, faults = [], []
    for name in list_runs(root):
        try:
            run = _read_run(RunFolder(name, root), now, boot_id, gpus)
        except RunFolderError as error:
            faults.append(str(error))
            continue
        if run is not None and not _history(run, now):
            runs.append(run)
    return RunsReading(runs=tuple(runs), faults=tuple(faults))


def _read_run(folder: RunFolder, now: float, boot_id: str, gpus: Mapping[str, int]) -> Run | None:
    spec, state, found = folder.read_spec(), folder.read_state(), folder.read_progress()
    if spec is None:
        return None
    _check_profile(folder, spec)
    if state is not None and state.run_id != spec.run_id:
        state = None  # of an earlier use of the name
    progress = best_progress(found, state.generation) if state else None
    _check_histogram(folder, progress)
    lost = state is not None and (_lost_by_reboot(state, boot_id) or _abandoned(folder, state, now))
    phase, since = _phase(spec, state, progress, lost)
    return Run(
        spec=spec,
        state=state,
        progress=progress,
        up=state is not None and state.training is not None and state.ended is None and not lost,
        phase=phase,
        phase_since=since,
        errors=_errors(found),
        gpus=_gpus(spec, state, gpus),
    )


def _check_profile(folder: RunFolder, spec: RunSpec) -> None:
    if spec.profile not in PROFILES:
        raise RunFolderError(
            f"{folder.spec_path}: profile '{spec.profile}' is not one of {', '.join(PROFILES)}; launch the run anew"
        )


def _check_histogram(folder: RunFolder, progress: Progress | None) -> None:
    durations = progress and progress.durations
    if progress and durations and len(durations.counts) != len(STEP_BUCKETS) + 1:
        raise RunFolderError(
            f"{folder.progress_path(progress.writer, progress.rank)}: durations.counts holds {len(durations.counts)}"
            f" counts where {len(STEP_BUCKETS) + 1} are meant; its writer is of another version of trainwarden"
        )


def _history(run: Run, now: float) -> bool:
    state = run.state
    return (
        state is not None and not state.open and state.ended is not None and now - state.ended.at > KEEP_ENDED_SECONDS
    )


def _lost_by_reboot(state: RunState, boot_id: str) -> bool:
    """Whether the machine went down under the run: nobody was left to write its end."""
    return state.ended is None and state.training is not None and state.training.boot_id != boot_id


def _abandoned(folder: RunFolder, state: RunState, now: float) -> bool:
    """Whether keeper and supervisor were both killed: the training's terminal went with them, and nobody says so.

    The beat alone would not do: its clock may jump, and a full disk or a suspended machine keeps it back.
    """
    return state.ended is None and now - state.beat_at > _BEAT_LOST_SECONDS and not is_attended(folder)


def _phase(spec: RunSpec, state: RunState | None, progress: Progress | None, lost: bool) -> tuple[Phase, float]:
    """The one phase that the run is in, and since when."""
    if state is None:
        return Phase.STARTING, spec.created_at
    if state.ended is not None:
        return Phase.FAILED if _given_up(state, state.ended) else _PHASE_OF[state.ended.outcome], state.ended.at
    if lost:
        return Phase.FAILED, state.beat_at
    if progress is not None:
        return progress.phase, progress.phase_since
    return Phase.STARTING, state.started_at


def _given_up(state: RunState, ended: Ended) -> bool:
    """Whether the run was stopped for a restart that never came, and not by the user's wish: people must hear of it."""
    return ended.outcome is Outcome.STOPPED_FOR_RESTART and not state.open and state.stop_by != "user"


def _errors(found: Iterable[Progress]) -> dict[str, int]:
    """Each kind once: several writers may have seen the same error, so the most that any of them saw."""
    files = list(found)
    return {kind.value: max((p.errors.get(kind.value, 0) for p in files), default=0) for kind in ErrorKind}


def _gpus(spec: RunSpec, state: RunState | None, gpus: Mapping[str, int]) -> tuple[tuple[int, str], ...]:
    """As declared, else as the members' CUDA_VISIBLE_DEVICES says, else the machine's only card."""
    if spec.gpus is not None:
        wanted = [str(index) for index in spec.gpus]
    elif state is not None and state.gpus is not None:
        wanted = state.gpus
    elif len(gpus) == 1:
        wanted = list(gpus)
    else:
        return ()
    return tuple((index, uuid) for uuid, index in gpus.items() if any(_names(entry, uuid, index) for entry in wanted))


def _names(entry: str, uuid: str, index: int) -> bool:
    """Whether an entry of CUDA_VISIBLE_DEVICES (an index, or a UUID that may be cut short) means this card."""
    return entry == str(index) or (entry.startswith("GPU-") and uuid.startswith(entry))


_OF_STATE: tuple[tuple[Family, str], ...] = (
    (names.RUN_BEAT, "beat_at"),
    (names.RUN_MEMORY, "rss_bytes"),
    (names.RUN_THREADS, "threads"),
    (names.RUN_CPU, "cpu_seconds"),
    (names.RUN_IO, "io_bytes"),
    (names.RUN_RESUMABLE, "resumable"),
)
_OF_PROGRESS: tuple[tuple[Family, str], ...] = (
    (names.RUN_STEP, "step"),
    (names.RUN_MAX_STEPS, "max_steps"),
    (names.RUN_EPOCH, "epoch"),
    (names.RUN_MAX_EPOCHS, "max_epochs"),
    (names.RUN_LOSS, "loss"),
    (names.RUN_STEPS_DONE, "steps_done"),
    (names.RUN_LAST_STEP, "last_step_at"),
    (names.RUN_STEP_MEDIAN, "median_step_seconds"),
)


def families(reading: RunsReading) -> Iterator[Series]:
    """Every family of a run."""
    runs = reading.runs
    yield from metric(names.RUN_INFO, ((_info(run), 1) for run in runs))
    yield from metric(names.RUN_UP, (((run.name,), run.up) for run in runs))
    yield from metric(
        names.RUN_PHASE, (((run.name, phase.value), phase == run.phase) for run in runs for phase in Phase)
    )
    yield from metric(names.RUN_PHASE_START, (((run.name,), run.phase_since) for run in runs))
    yield from metric(names.RUN_START, (((r.name, str(r.generation)), r.state.started_at) for r in runs if r.state))
    for family, field in _OF_STATE:
        yield from metric(family, (((run.name,), getattr(run.state, field, None)) for run in runs))
    for family, field in _OF_PROGRESS:
        yield from metric(family, (((run.name,), getattr(run.progress, field, None)) for run in runs))
    yield from _histogram((run.name, run.progress.durations) for run in runs if run.progress)
    yield from metric(names.RUN_MEMBERS, (((run.name,), _living(run.state)) for run in runs))
    yield from metric(names.RUN_ERRORS, (((r.name, kind), count) for r in runs for kind, count in r.errors.items()))
    yield from metric(names.RUN_EXIT_CODE, (((run.name,), _exit_code(run.state)) for run in runs))
    yield from metric(names.RUN_GPU, (((r.name, str(index), uuid), 1) for r in runs for index, uuid in r.gpus))


def _info(run: Run) -> tuple[str, ...]:
    # Pids are read where they mean something: by the supervisor, beside the training.
    framework = run.progress.framework if run.progress else ""
    source = "observer" if run.spec.attached else "supervisor"
    return (run.name, str(run.generation), run.spec.recipe, framework, run.spec.profile, source)


def _living(state: RunState | None) -> int | None:
    return None if state is None else sum(member.state != "Z" for member in state.members)


def _exit_code(state: RunState | None) -> int | None:
    """As a shell has it."""
    if state is None or state.ended is None:
        return None
    return state.ended.exit_code if state.ended.signal is None else 128 + state.ended.signal


def _histogram(found: Iterable[tuple[str, StepDurations | None]]) -> Iterator[Series]:
    told = [([name], Buckets(STEP_BUCKETS, d.counts, d.sum)) for name, d in found if d is not None]
    if told:
        yield Series(names.RUN_STEP_DURATION, histograms=told)
