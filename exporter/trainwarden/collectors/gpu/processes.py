"""Whose processes are on the GPUs: the driver tells pids, the run folders tell which pid is whose."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from trainwarden import names, system
from trainwarden.collectors.base import metric
from trainwarden.collectors.gpu.reading import Gpu, GpusReading
from trainwarden.collectors.runs import RunsReading, cards
from trainwarden.model import RunState
from trainwarden.series import Series

_SEEN_SECONDS = 5.0
"""A member that its supervisor saw so lately is not looked up again: no kernel gives a pid anew as fast as that."""


class Owners(Struct, frozen=True):
    """Who runs on which card."""

    on: dict[str, list[tuple[int, str, int | None]]]
    """Pid, run (empty: nobody's that is known here) and bytes, by the card's UUID, where the driver tells pids."""
    readable: frozenset[str]
    """The live runs whose pids mean here what they mean there."""
    complete: bool
    """Whether every run could be read, and that holds for all that live: who is no member is then somebody else."""


def owners(reading: GpusReading, runs: RunsReading, proc: Path = system.PROC, now: float = math.inf) -> Owners:
    """Find out whose the processes on the GPUs are; ``now`` (Unix seconds) tells which supervisor has just looked."""
    namespace = _namespace_here(proc)
    live = {run.name: run.state for run in runs.runs if run.up and run.state is not None}
    readable = {name: state for name, state in live.items() if _namespace(state) == namespace}
    seen = {member.pid: name for name, s in readable.items() if now - s.beat_at < _SEEN_SECONDS for member in s.members}
    members = {member.pid: (name, member.start_time) for name, s in readable.items() for member in s.members}
    on = {
        gpu.uuid: [(p.pid, seen.get(p.pid) or _owner(p.pid, members, proc), p.memory_bytes) for p in gpu.processes]
        for gpu in reading.gpus
        if gpu.processes is not None
    }
    return Owners(on, frozenset(readable), runs.complete and len(readable) == len(live))


def _namespace_here(proc: Path) -> int | None:
    try:
        return system.pid_namespace(proc)
    except OSError:  # the tree of another machine: no pid means anything here
        return None


def _namespace(state: RunState) -> int | None:
    return state.training.pid_namespace if state.training else None


def _owner(pid: int, members: Mapping[int, tuple[str, int]], proc: Path) -> str:
    run, start_time = members.get(pid, ("", 0))
    if run:
        stat = system.read_stat(pid, proc)
        if stat is not None and stat.start_time != start_time:
            return ""  # the member is gone, and its pid somebody else's
    return run


def families(
    reading: GpusReading,
    runs: RunsReading,
    *,
    by_pid: bool = False,
    proc: Path = system.PROC,
    now: float = math.inf,
) -> Iterator[Series]:
    """GPU memory by run (and by process, where asked for), and strangers on the GPUs of each run."""
    found = owners(reading, runs, proc, now)
    if found.complete:
        yield from metric(names.GPU_PROCESS_MEMORY, (((*_at(gpu), run), m) for gpu, run, m in _by_run(reading, found)))
    if by_pid:
        yield from metric(
            names.GPU_PID_MEMORY,
            (
                ((*_at(gpu), run, str(pid)), memory)
                for gpu in reading.gpus
                for pid, run, memory in found.on.get(gpu.uuid, ())
            ),
        )
    yield from metric(
        names.RUN_FOREIGN_PROCESSES,
        (
            ((run.name, index, uuid), sum(owner != run.name for _, owner, _ in found.on[uuid]))
            for run in runs.runs
            for index, uuid in cards(run, reading.cards)
            if run.name in found.readable and uuid in found.on
        ),
    )


def _at(gpu: Gpu) -> tuple[str, str]:
    return str(gpu.index), gpu.uuid


def _by_run(reading: GpusReading, found: Owners) -> Iterator[tuple[Gpu, str, int | None]]:
    """The bytes of each run on each card; None where the driver does not tell those of one of its processes."""
    for gpu in reading.gpus:
        parts: dict[str, list[int | None]] = defaultdict(list)
        for _, run, memory in found.on.get(gpu.uuid, ()):
            parts[run].append(memory)
        for run, told in parts.items():
            known = [memory for memory in told if memory is not None]
            yield gpu, run, sum(known) if len(known) == len(told) else None
