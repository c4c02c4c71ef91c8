"""The families of a run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from trainwarden import names
from trainwarden.collectors.base import Card, metric
from trainwarden.collectors.runs.cards import cards
from trainwarden.collectors.runs.reading import Run
from trainwarden.model import STEP_BUCKETS, Phase, RunState
from trainwarden.names import Family
from trainwarden.series import Buckets, Series

_PHASES = [(phase, phase.value) for phase in Phase]

_OF_RUN: tuple[tuple[Family, str], ...] = (
    (names.RUN_UP, "up"),
    (names.RUN_PHASE_START, "phase_since"),
    (names.RUN_NONFINITE_LOSSES, "nonfinite_losses"),
)
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
    (names.CHECKPOINT_SAVES, "saves"),
    (names.CHECKPOINT_SAVE_DURATION, "last_save_seconds"),
)


def families(runs: Iterable[Run], gpus: Mapping[str, Card]) -> Iterator[Series]:
    """Every family of a run; ``gpus`` are the cards of this machine, by UUID."""
    told = [((run.name,), run) for run in runs]
    yield from metric(names.RUN_INFO, ((_info(run), 1) for _, run in told))
    yield from _fields(_OF_RUN, told)
    yield from metric(
        names.RUN_PHASE, (((run.name, value), phase is run.phase) for _, run in told for phase, value in _PHASES)
    )
    of_state = [(name, run.state) for name, run in told if run.state]
    yield from metric(names.RUN_START, (((*name, str(state.generation)), state.started_at) for name, state in of_state))
    yield from _fields(_OF_STATE, of_state)
    yield from metric(names.RUN_MEMBERS, ((name, _living(state)) for name, state in of_state))
    yield from metric(names.RUN_EXIT_CODE, ((name, _exit_code(state)) for name, state in of_state))
    yield from _fields(_OF_PROGRESS, [(name, run.progress) for name, run in told if run.progress])
    yield from _histogram(told)
    yield from metric(
        names.RUN_PROGRESS_TIME, (((*name, writer), at) for name, r in told for writer, at in r.writers.items())
    )
    yield from metric(names.RUN_SETTING, (((*name, key), v) for name, r in told for key, v in r.spec.settings.items()))
    yield from metric(names.RUN_ERRORS, (((*name, kind), n) for name, r in told for kind, n in r.errors.items()))
    yield from metric(names.RUN_GPU, (((*name, *card), 1) for name, run in told for card in cards(run, gpus)))


def _fields(which: Iterable[tuple[Family, str]], told: Sequence[tuple[tuple[str], object]]) -> Iterator[Series]:
    for family, field in which:
        value = attrgetter(field)
        yield from metric(family, ((name, value(found)) for name, found in told))


def _info(run: Run) -> tuple[str, ...]:
    # Pids are read where they mean something: by the supervisor, beside the training.
    source = "observer" if run.spec.attached else "supervisor"
    framework = run.progress.framework if run.progress else ""
    return (run.name, str(run.generation), run.spec.recipe, framework, run.spec.profile, source)


def _living(state: RunState) -> int:
    return sum(member.state != "Z" for member in state.members)


def _exit_code(state: RunState) -> int | None:
    """As a shell has it."""
    if state.ended is None:
        return None
    return state.ended.exit_code if state.ended.signal is None else 128 + state.ended.signal


def _histogram(told: Iterable[tuple[tuple[str], Run]]) -> Iterator[Series]:
    found = [(name, run.progress.durations) for name, run in told if run.progress and run.progress.durations]
    if found:
        buckets = [(name, Buckets(STEP_BUCKETS, durations.counts, durations.sum)) for name, durations in found]
        yield Series(names.RUN_STEP_DURATION, histograms=buckets)
