"""The control group of a launch, where it has one of its own: whoever is in it belongs to the launch, whatever he shed.

Its own is only one that bears the launch's name, which the engine gave to this launch and to no other: of any other (a
login session, a terminal, the tmux server, trainwarden itself) nobody can tell who will enter it, and it is never used.
"""

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from msgspec import Struct

from trainwarden import system

_TRACKING = ("", "name=systemd")
"""The hierarchies that follow processes: version 2, and systemd's of version 1. The others share out resources, and an
administrator may put any process into their groups."""


class Cgroup(Struct, frozen=True):
    """A control group with all groups below it."""

    hierarchy: str
    """Its controllers as ``/proc/PID/cgroup`` names them."""
    path: str
    """As it is seen from this process's own cgroup namespace."""


def holds(cgroup: Cgroup, pid: int, proc: Path = system.PROC) -> bool:
    """Whether the process is in the group or below it."""
    path = system.read_cgroups(pid, proc).get(cgroup.hierarchy)
    return path is not None and (path == cgroup.path or path.startswith(f"{cgroup.path}/"))


def named(pid: int, names: Collection[str], proc: Path = system.PROC) -> Cgroup | None:
    """The group around this process that bears one of these names, unless trainwarden itself is in it."""
    of_process = system.read_cgroups(pid, proc)
    for hierarchy in _TRACKING:
        place = PurePosixPath(of_process.get(hierarchy, "/"))
        found = next((one for one in (place, *place.parents) if one.name in names), None)
        if found is not None and not holds(cgroup := Cgroup(hierarchy, str(found)), os.getpid(), proc):
            return cgroup
    return None
