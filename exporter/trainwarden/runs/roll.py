"""The members of one run and what they use, read as often as each costs: for who supervises and who only watches."""

from collections.abc import Collection
from typing import Any

from trainwarden.model import Identity
from trainwarden.runs.cgroups import Cgroup
from trainwarden.runs.members import Census, as_members
from trainwarden.runs.usage import Meter, Usage
from trainwarden.system import ProcessStat

SCAN_SECONDS = 5.0
"""How often all of /proc is looked through for new members."""
UPDATE_SECONDS = 1.0
"""How often the known members are read again."""


class Roll:
    """No clock: ``now`` is ``system.monotonic()``, handed in."""

    def __init__(self, census: Census, meter: Meter) -> None:
        self.members: list[ProcessStat] = []
        """As they were last read, oldest first."""
        self._census = census
        self._meter = meter
        self._scan_due = self._update_due = 0.0

    def own(self, cgroup: Cgroup, apart: Collection[int]) -> None:
        """Whoever is in this control group is a member (``members.Census.own``)."""
        self._census.own(cgroup, apart)

    def scan_is_due(self, now: float) -> bool:
        """Whether new members should be looked for."""
        return now >= self._scan_due

    def scan(self, now: float, root: Identity | None = None, keeper_pid: int | None = None) -> None:
        """Look through all of /proc for members (``members.Census.scan``)."""
        self.members = self._census.scan(root, keeper_pid)
        self._scan_due = now + SCAN_SECONDS
        self._measure(now)

    def update(self, now: float) -> bool:
        """Read the known members again, where it is time for that; whether it was."""
        if now < self._update_due:
            return False
        self.members = self.reread()
        self._measure(now)
        return True

    def reread(self) -> list[ProcessStat]:
        """The known members as they are at this moment; what they use is not counted by it."""
        return self._census.update()

    @property
    def usage(self) -> Usage:
        """What they use, as it was last measured."""
        return self._meter.usage

    def facts(self) -> dict[str, Any]:
        """What ``model.RunState`` holds of them."""
        usage = self.usage
        return {
            "members": as_members(self.members),
            "rss_bytes": usage.rss_bytes,
            "threads": usage.threads,
            "cpu_seconds": usage.cpu_seconds,
            "io_bytes": usage.io_bytes,
            "gpus": self._census.gpus(),
            "gpus_by_bus": self._census.gpus_by_bus(),
        }

    def _measure(self, now: float) -> None:
        self._update_due = now + UPDATE_SECONDS
        self._meter.read(self.members)
