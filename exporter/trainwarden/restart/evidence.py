"""The second look: two readings far enough apart, both newer than the alert, made into facts.

Nothing here touches the run. The GPU is seen through the exporter's ``/metrics``; steps, CPU, IO, phase and members
through the run folder and the launcher's probe.
"""

import re
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from trainwarden.model import ErrorKind, Outcome, Phase, Progress, RunSpec, RunState
from trainwarden.restart.choosing import Choice
from trainwarden.restart.events import Moment
from trainwarden.restart.exporter import ExporterReading, GpuReading
from trainwarden.restart.facts import Facts
from trainwarden.runs import visible
from trainwarden.runs.folder import best_progress
from trainwarden.runs.identity import DEAD_STATES

BEAT_STALE = 10.0
"""Seconds: the supervisor beats every second, and an older reading says nothing about now."""
STEP_MEDIANS_APART = 3
"""The two readings are at least so many of the run's own median steps apart."""
SUSPENDED = 5.0
"""Seconds beyond three times their distance: two readings that are further apart have a sleep between them."""
MAX_ERROR = 200


class Reading(Struct, frozen=True, kw_only=True):
    """Everything that one glance sees."""

    at: Moment
    state: RunState | None
    """The supervisor's answer; where it gives none, what it last wrote."""
    answered: bool
    """Whether the supervisor answered, with a fresh reading of its own."""
    progress: list[Progress]
    """Every writer's, of every generation."""
    exporter: ExporterReading | None
    """None where it does not answer (or, for a run that is dead, was not asked)."""


def apart(spec: RunSpec, progress: list[Progress], generation: int, step_limit: float) -> float:
    """How far apart the two readings must be, seconds. ``step_limit``: the longest normal step."""
    best = best_progress(progress, generation)
    median = best.median_step_seconds if best is not None else None
    return max(spec.limits.look_apart, step_limit, STEP_MEDIANS_APART * (median or 0.0))


def overlong(first: Reading, second: Moment, wanted: float) -> bool:
    """Whether the machine slept (or the receiver did) since ``first``: a share of that time would prove nothing.

    ``wanted``: how far apart the two readings were to be, seconds. The clock since boot counts a sleep.
    """
    return second.mono - first.at.mono > 3 * wanted + SUSPENDED


def gather(
    spec: RunSpec,
    readings: tuple[Reading, Reading],
    choice: Choice,
    *,
    generation: int,
    base_errors: dict[str, int],
    idle_ratio: float,
    boot_id: str,
    paused: bool = False,
    observe: bool = False,
) -> Facts:
    """Facts from two readings (of a dead run: the same one twice). Pure.

    ``generation`` is the case's; ``base_errors`` are the run's error counts before that generation.
    """
    first, second = readings
    state = second.state
    allowed = Facts(
        paused=paused,
        observe=observe,
        attached=spec.attached,
        nodes=spec.nodes,
        by_scheduler=spec.launcher is not None and spec.launcher.sees_all_nodes,
        supervisor_answers=first.answered and second.answered,
        checkpoint=choice.checkpoint,
        passed_over=choice.passed_over,
        free_bytes=choice.free_bytes,
        idle_ratio=idle_ratio,
        save_grace=spec.limits.save_grace,
        budget=spec.budget,
    )
    if state is None:
        return replace(allowed, supervisor_answers=False)
    best = best_progress(second.progress, state.generation)
    errors = new_errors(second.progress, base_errors)
    short = shortage(state, errors)
    return replace(
        allowed,
        **_of_state(state, spec.run_id, generation, boot_id),
        step=last_step(state, best),
        new_errors=errors,
        shortage=short,
        step_down=state.step_down.get(short),
        phase=best.phase if best is not None else Phase.STARTING,
        saving_seconds=saving_seconds(best, choice.writing, second.at.wall),
        **_movement(first, second, state.generation),
        **_gpus(first.exporter, second.exporter),
        gpus_in_doubt=_gpus_in_doubt(spec, state, second.exporter),
    )


def _of_state(state: RunState, run_id: str, generation: int, boot_id: str) -> dict[str, object]:
    known = [identity for identity in (state.training, state.keeper) if identity is not None]
    return {
        "superseded": (state.run_id, state.generation) != (run_id, generation),
        "rebooted": any(identity.boot_id != boot_id for identity in known),
        "open": state.open,
        "stop_by": state.stop_by,
        "resumable": state.resumable,
        "resumable_reason": state.resumable_reason,
        "outcome": state.ended.outcome if state.ended is not None else None,
        "signal": state.ended.signal if state.ended is not None else None,
        "wedged": state.wedged,
        "error": _error(state),
        "stopped_members": sum(member.state in "Tt" for member in state.members) or int(state.suspended),
    }


def last_step(state: RunState, progress: Progress | None) -> int | None:
    """The run's step; where this generation took none, the one that it resumed from."""
    if progress is not None and progress.step is not None:
        return progress.step
    return state.resumed_from.step if state.resumed_from is not None else None


def error_totals(found: list[Progress]) -> dict[str, int]:
    """Error counts over all generations. Several writers may have seen the same one: the most that any of them saw."""
    kinds = set(chain.from_iterable(progress.errors for progress in found))
    return {kind: max(progress.errors.get(kind, 0) for progress in found) for kind in sorted(kinds)}


def new_errors(found: list[Progress], base: dict[str, int]) -> list[str]:
    """The kinds of error that were counted above ``base``."""
    return [kind for kind, count in error_totals(found).items() if count > base.get(kind, 0)]


def shortage(state: RunState, errors: list[str]) -> str:
    """What the run ran out of: the problem of guide §2, or empty."""
    if ErrorKind.CUDA_OUT_OF_MEMORY.value in errors:
        return "vram"
    killed = state.ended is not None and state.ended.for_memory
    return "memory" if killed or ErrorKind.HOST_OUT_OF_MEMORY.value in errors else ""


def saving_seconds(progress: Progress | None, writing: bool, now: float) -> float | None:
    """For how long a save has been in progress: the phase says since when, a file that still grows says since now."""
    if progress is not None and progress.phase is Phase.CHECKPOINTING:
        return max(0.0, now - progress.phase_since)
    return 0.0 if writing else None


def is_dead(state: RunState) -> bool:
    """Whether the generation has ended, nobody of it is left, and its supervisor is done with stopping it."""
    living = any(member.state not in DEAD_STATES for member in state.members)
    return state.ended is not None and not living and state.stopping_since is None


def _error(state: RunState) -> str:
    """What it died of, freed of addresses, pids and times, which differ from one death to the next."""
    ended = state.ended
    if ended is None:
        return "hung"
    if ended.outcome is not Outcome.CRASHED:
        return ""
    how = f"signal {ended.signal}" if ended.signal is not None else f"exit {ended.exit_code}"
    words = re.sub(r"0x[0-9a-fA-F]+|\d+", "#", state.last_words)
    return f"{how}: {words}"[:MAX_ERROR]


def _movement(first: Reading, second: Reading, generation: int) -> dict[str, object]:
    """What moved between the two readings. A beat that is another counts, even an earlier one: clocks are set back."""
    seconds = second.at.mono - first.at.mono
    before, after = first.state, second.state
    pairs = _same_writers(first.progress, second.progress, generation)
    changes: dict[str, object] = {
        "new_steps": max((_steps(old, new) for old, new in pairs if new.rank == 0), default=None),
        "new_output": any(new.beat_at != old.beat_at for old, new in pairs if new.writer == "output"),
        "new_heartbeat": any(new.beat_at != old.beat_at for old, new in pairs if new.writer != "output"),
    }
    if before is not None and after is not None and after.members_visible and seconds > 0:
        changes["cpu_ratio"] = max(0.0, after.cpu_seconds - before.cpu_seconds) / seconds
        changes["io_rate"] = max(0, after.io_bytes - before.io_bytes) / seconds
    return changes


def _same_writers(before: list[Progress], after: list[Progress], generation: int) -> list[tuple[Progress, Progress]]:
    """Each writer of this generation, then and now. One that is new has moved from nothing."""
    old = {(p.writer, p.rank): p for p in before if p.generation == generation}
    return [(old.get((p.writer, p.rank), _unborn(p)), p) for p in after if p.generation == generation]


def _unborn(progress: Progress) -> Progress:
    return Progress(
        writer=progress.writer, rank=progress.rank, generation=progress.generation,
        phase=progress.phase, phase_since=0.0, beat_at=0.0,
    )  # fmt: skip


def _steps(old: Progress, new: Progress) -> int:
    return max(new.steps_done - old.steps_done, (new.step or 0) - (old.step or 0), 0)


def _gpus(first: ExporterReading | None, second: ExporterReading | None) -> dict[str, object]:
    """The run's GPUs, and the highest utilisation of any of them in either reading."""
    if first is None or second is None:
        return {"exporter_answers": False}
    uuids = second.run_gpus
    if uuids is None or not (first.driver_answers and second.driver_answers):
        return {"driver_answers": first.driver_answers and second.driver_answers}
    seen = [reading.gpus.get(uuid, GpuReading()) for reading in (first, second) for uuid in uuids]
    ratios = [gpu.utilization_ratio for gpu in seen if gpu.utilization_ratio is not None]
    used = {uuid: first.gpus[uuid].memory_used_bytes for uuid in uuids if uuid in first.gpus}
    return {
        "gpus": list(uuids),
        "gpu_ratio": max(ratios) if len(ratios) == len(seen) else None,
        "gpu_memory_used": {uuid: int(count) for uuid, count in used.items() if count is not None},
    }


def _gpus_in_doubt(spec: RunSpec, state: RunState, exporter: ExporterReading | None) -> bool:
    if exporter is None or exporter.run_gpus is not None:
        return False
    return visible.in_doubt(spec, state, exporter.models)
