"""Which processes belong to a run, and what they use together.

A process belongs to a run when it carries the run's id in its environment, shares the session of the process that
the keeper started, is in the launch's own control group where it has one (``runs.cgroups``), or descends from a member.
The keeper adopts orphans (it is a subreaper), so its own children are members too, whatever they did to their
environment. A process that carries another run's id, or an empty one, is another run's, as is what descends from it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from trainwarden import system
from trainwarden.model import Identity, Member
from trainwarden.names import RUN_ID_ENVIRONMENT
from trainwarden.runs import cgroups, visible
from trainwarden.runs.cgroups import Cgroup
from trainwarden.runs.identity import DEAD_STATES
from trainwarden.system import ProcessStat

_SETTLED_SECONDS = 5.0
"""A younger process may still be between fork and exec, and its environment still its parent's."""

Key = tuple[int, int]
"""Pid and start time."""


class Traits(NamedTuple):
    """What the environment of a process says about runs."""

    run_id: str | None = None
    """None: it says nothing. Empty: it belongs to no run."""
    gpus: str | None = None
    """CUDA_VISIBLE_DEVICES."""
    gpu_order: str | None = None
    """CUDA_DEVICE_ORDER."""


def key(stat: ProcessStat) -> Key:
    """What tells this process from a later one of the same pid."""
    return stat.pid, stat.start_time


def living(members: list[ProcessStat]) -> list[ProcessStat]:
    """Those of the members that are not dead."""
    return [member for member in members if member.state not in DEAD_STATES]


def as_members(members: list[ProcessStat]) -> list[Member]:
    """Members as ``state.json`` holds them."""
    return [Member(pid=m.pid, start_time=m.start_time, state=m.state) for m in members]


class Census:
    """Counts the members of one run, again and again; remembers what it has seen, to begin with ``known``."""

    def __init__(
        self,
        run_id: str,
        *,
        known: Collection[Key] = (),
        apart: Collection[int] = (),
        proc: Path = system.PROC,
    ) -> None:
        self._run_id = run_id
        self._apart = set(apart)
        self._proc = proc
        self._cgroup: Cgroup | None = None
        self._traits: dict[Key, Traits] = {}
        self._known: set[Key] = set(known)
        self._strangers: dict[int, int] = {}
        """Who does not belong and will not: no process enters a run later on. Pid and inode, as ``system`` has them."""

    def own(self, cgroup: Cgroup, apart: Collection[int]) -> None:
        """From now on whoever is in this control group beside a member is one too, but for who is ``apart``."""
        self._cgroup = cgroup
        self._apart |= set(apart)
        self._strangers = {}  # they may be in it

    def scan(self, root: Identity | None = None, keeper_pid: int | None = None) -> list[ProcessStat]:
        """Every process of the run, oldest first: a look at the whole of /proc, and into what is new there.

        ``root`` is the process that the keeper started, if that was in this boot and PID namespace.
        """
        here = system.all_processes(self._proc)
        unknown = [pid for pid, inode in here.items() if self._strangers.get(pid) != inode]
        stats = {s.pid: s for s in map(self._stat, unknown) if s is not None}
        self._traits = {key(stat): self._traits_of(stat) for stat in stats.values()}
        inside = self._inside(stats)
        found = belonging(
            stats,
            {stat.pid: self._traits[key(stat)].run_id for stat in stats.values()},
            run_id=self._run_id,
            known=self._known,
            root=root,
            keeper_pid=keeper_pid,
            inside=inside,
            apart=self._apart,
        )
        self._known = {key(stats[pid]) for pid in found}
        maybe = found | inside | {stat.pid for stat in stats.values() if not _is_settled(stat)}
        self._strangers = {pid: inode for pid, inode in here.items() if pid not in maybe}
        return self.update()

    def update(self) -> list[ProcessStat]:
        """The members that the last scan found, read again; those that are gone left out.

        Oldest first, parents before their children: what a parent shows of a child that ended is then never read
        beside the child itself (``usage.Tally``).
        """
        known = sorted(self._known, key=lambda member: (member[1], member[0]))
        again = ((self._stat(pid), start_time) for pid, start_time in known)
        return [stat for stat, start_time in again if stat is not None and stat.start_time == start_time]

    def gpus(self) -> list[str] | None:
        """The entries of the members' CUDA_VISIBLE_DEVICES; None where none of them sets it."""
        given = self._visible()
        if not given:
            return None
        return list(dict.fromkeys(entry for entries, _ in given for entry in entries))

    def gpus_by_bus(self) -> bool:
        """Whether every member that names cards by number has CUDA count them as the driver does."""
        return all(order == visible.BY_BUS for entries, order in self._visible() if visible.by_number(entries))

    def _visible(self) -> list[tuple[list[str], str | None]]:
        """The entries of each CUDA_VISIBLE_DEVICES that is set, and the CUDA_DEVICE_ORDER beside it."""
        traits = [self._traits[member] for member in sorted(self._known) if member in self._traits]
        return [(visible.visible_devices(found.gpus), found.gpu_order) for found in traits if found.gpus is not None]

    def _inside(self, stats: Mapping[int, ProcessStat]) -> set[int]:
        cgroup = self._cgroup
        if cgroup is None:
            return set()
        living = (pid for pid, stat in stats.items() if stat.state not in DEAD_STATES)
        return {pid for pid in living if cgroups.holds(cgroup, pid, self._proc)}

    def _stat(self, pid: int) -> ProcessStat | None:
        return system.read_stat(pid, self._proc)

    def _traits_of(self, stat: ProcessStat) -> Traits:
        cached = self._traits.get(key(stat))
        if cached is not None and _is_settled(stat):
            return cached
        environment = system.read_environment(stat.pid, self._proc)
        return Traits(
            environment.get(RUN_ID_ENVIRONMENT),
            environment.get("CUDA_VISIBLE_DEVICES"),
            environment.get("CUDA_DEVICE_ORDER"),
        )


def _is_settled(stat: ProcessStat) -> bool:
    return system.monotonic() - stat.start_time / system.clock_ticks() > _SETTLED_SECONDS


def belonging(
    stats: Mapping[int, ProcessStat],
    run_ids: Mapping[int, str | None],
    *,
    run_id: str,
    known: Collection[Key] = (),
    root: Identity | None = None,
    keeper_pid: int | None = None,
    inside: Collection[int] = (),
    apart: Collection[int] = (),
) -> set[int]:
    """The pids that belong to the run, among all processes. ``inside``: who is in its own control group.

    ``apart`` never belong to it: the keeper, the supervisor.
    """
    leader = stats.get(root.pid) if root is not None else None
    # A session's number is not given away while its leader lives; later it may be a stranger's.
    session = leader.pid if leader is not None and root is not None and leader.start_time == root.start_time else None
    seeds = {
        pid
        for pid, stat in stats.items()
        if run_ids.get(pid) == run_id or key(stat) in known or (session is not None and stat.session == session)
    }
    if keeper_pid is not None:
        seeds |= {pid for pid, stat in stats.items() if stat.parent == keeper_pid}
    foreign = {pid for pid, said in run_ids.items() if said is not None and said != run_id}
    barred = foreign | set(apart)
    # A group of that name in which no member lives, or another run does, may be another's by now.
    if not (foreign - set(apart)).intersection(inside) and (seeds - barred).intersection(inside):
        seeds |= set(inside)
    return _with_descendants(seeds, stats, barred=barred)


def _with_descendants(seeds: set[int], stats: Mapping[int, ProcessStat], *, barred: set[int]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found: set[int] = set()
    waiting = list(seeds)
    while waiting:
        pid = waiting.pop()
        if pid not in found and pid not in barred:
            found.add(pid)
            waiting.extend(children.get(pid, ()))
    return found
