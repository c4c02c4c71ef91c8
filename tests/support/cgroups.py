"""Real control groups, where this machine lets us make some."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.wait import wait_until

_MOUNTS = Path("/proc/self/mounts")


def mounts() -> dict[str, Path]:
    """Where each hierarchy that follows processes is mounted: version 2 as "", systemd's of version 1 by its name."""
    found = {}
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found[""] = Path(place)
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            found["name=systemd"] = Path(place)
    return found


@contextmanager
def slice_of_ours(hierarchy: str) -> Iterator[Path]:
    """A group to make others in, as systemd's slices are; who is left in it is killed, and all of it removed."""
    place = mounts().get(hierarchy)
    top = None if place is None else place / f"tw-{os.getpid()}.slice"
    try:
        if top is None:
            raise FileNotFoundError
        top.mkdir()
    except OSError:
        pytest.skip(f"no control group can be made here in hierarchy '{hierarchy}'")
    try:
        yield top
    finally:
        groups = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for group in (*groups, top):
            for pid in living(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            wait_until(lambda group=group: not living(group), 10, "the group is empty")  # type: ignore[misc]
            group.rmdir()


def living(group: Path) -> list[int]:
    """Who is in the group itself."""
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def start_in(group: Path, *command: str, environment: dict[str, str] | None = None) -> "subprocess.Popen[bytes]":
    """Start a command in the group, which is made where it is not there."""
    group.mkdir(parents=True, exist_ok=True)
    joining = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(group), *command]
    child = subprocess.Popen(joining, env=environment)
    wait_until(lambda: child.pid in living(group) or child.poll() is not None, 10, "it is in the group")
    return child


def join(group: Path, pid: int) -> None:
    """Put a process there; its children to come begin there as well."""
    (group / "cgroup.procs").write_text(str(pid))
