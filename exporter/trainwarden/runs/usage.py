"""What the members of a run use, and have used: counters that neither go back nor stand still while anything works.

Processes come and go, and the kernel keeps no sum. So each member's growth since the last look is added, whatever
became of the others meanwhile.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from trainwarden import system
from trainwarden.runs.identity import DEAD_STATES
from trainwarden.system import ProcessStat

Key = tuple[int, int]
"""Pid and start time: one process for ever."""


class Usage(NamedTuple):
    """What all members use together, and have used since the run began."""

    rss_bytes: int = 0
    threads: int = 0
    cpu_seconds: float = 0.0
    """The kernel's own count, of processes that nobody ever saw too, once their parent has waited for them."""
    io_bytes: int = 0
    """Through calls and at the storage: what went through a call to a disk counts in both. A sign of life, no rate."""


class Meter:
    """Reads the members of one run. Goes on from the counters of who read them before."""

    def __init__(self, cpu_seconds: float = 0.0, io_bytes: int = 0, proc: Path = system.PROC) -> None:
        self._cpu = Tally(cpu_seconds)
        self._io = Tally(io_bytes)
        self._proc = proc
        self.usage = Usage(cpu_seconds=cpu_seconds, io_bytes=io_bytes)
        """As it was last read."""

    def read(self, members: Collection[ProcessStat]) -> None:
        """Read on. ``members`` stand oldest first, as they were read just now: parents before their children."""
        parents = {(m.pid, m.start_time): m.parent for m in members}
        self._cpu.add({(m.pid, m.start_time): m.cpu_seconds + m.reaped_cpu_seconds for m in members}, parents)
        moved = {(m.pid, m.start_time): system.read_io(m.pid, self._proc) for m in members}
        self._io.add({member: count for member, count in moved.items() if count is not None}, parents)
        living = [member for member in members if member.state not in DEAD_STATES]
        self.usage = Usage(
            rss_bytes=sum(member.rss_bytes for member in living),
            threads=sum(member.threads for member in living),
            cpu_seconds=self._cpu.total,
            io_bytes=int(self._io.total),
        )


class Tally:
    """One counter over processes that come and go.

    A process's own count holds those of the children that it has waited for. What they had counted before must not
    count again when it appears there: it is taken off the parent's growth, at the look in which a child is gone and at
    the next, for the parent may have been read just before. Not longer: who never waits would seem to stand still.
    """

    def __init__(self, total: float) -> None:
        self.total = total
        self._last: Mapping[Key, float] | None = None
        self._parents: Mapping[Key, int] = {}
        self._owed: Mapping[Key, float] = {}
        """What each parent's growth may still hold of children that were gone at the last look."""

    def add(self, counts: Mapping[Key, float], parents: Mapping[Key, int]) -> None:
        """One look: the count and the parent's pid of everyone who is there, each parent read before its children."""
        if self._last is None:
            self.total = max(self.total, sum(counts.values()))
        else:
            grown = {member: max(0.0, count - self._last.get(member, 0.0)) for member, count in counts.items()}
            self._owed = self._settle(grown, self._left_by_the_gone(counts))
        self._last, self._parents = counts, parents

    def _settle(self, grown: Mapping[Key, float], left: Mapping[Key, float]) -> Mapping[Key, float]:
        """Add what is new, and say what of ``left`` has not shown in a parent's growth yet."""
        owed = {}
        for member, growth in grown.items():
            new = max(0.0, growth - self._owed.get(member, 0.0))
            owed[member] = max(0.0, left.get(member, 0.0) - new)
            self.total += max(0.0, new - left.get(member, 0.0))
        return owed

    def _left_by_the_gone(self, counts: Mapping[Key, float]) -> Mapping[Key, float]:
        """What those who are gone had counted, by the nearest forebear who is there."""
        here = {member[0]: member for member in counts}
        left: dict[Key, float] = {}
        for member, count in (self._last or {}).items():
            if member not in counts and (heir := here.get(self._forebear(member, here))) is not None:
                left[heir] = left.get(heir, 0.0) + count
        return left

    def _forebear(self, member: Key, here: Collection[int]) -> int:
        """The pid of the nearest of the parents, as they last stood, that is in ``here``; 0 where none is."""
        parent_of = {pid: parent for (pid, _), parent in self._parents.items()}
        pid = parent_of.get(member[0], 0)
        while pid and pid not in here:
            pid = parent_of.pop(pid, 0)
        return pid
