"""Whose stack is looked at: without one of this home's own, what answers at the usual ports may be another user's."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from trainwarden import system
from trainwarden.doctor.finding import Finding, ok, warning
from trainwarden.doctor.scene import Scene
from trainwarden.stack.state import StackFolder

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LISTENS = "0A"
"""The state of a socket that takes connections (proc_pid_net(5))."""


def stack(scene: Scene) -> Finding:
    """Whether this home has a stack; and where it has none, whose the exporter and the receiver are that answer."""
    place = StackFolder().path
    if scene.in_stack:
        return ok(f"`trainwarden up`, in {place}")
    found = f"none of `trainwarden up` in {place}"
    answering = (scene.addresses.exporter, scene.addresses.receiver)
    for url in answering:
        uid = _owner(url)
        if uid not in (None, 0, os.geteuid()):  # Docker's proxy is root's, whoever called compose
            name = user(uid)
            return warning(
                f"{found}; what answers at {urlsplit(url).netloc} is {name}'s, and so are its runs",
                f"To look at that one, call it as {name}; for one of your own: trainwarden up --detach",
            )
    return ok(f"{found}; looked at what answers at {', '.join(urlsplit(url).netloc for url in answering)}")


def listener(port: int, proc: Path = system.PROC) -> int | None:
    """Uid of who takes connections at this port of this machine; None where nobody does, or /proc does not tell."""
    return next((uid for taken, uid in _listening(proc) if taken == port), None)


def user(uid: int) -> str:
    """The name of a user, or his number where he has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _owner(url: str) -> int | None:
    parts = urlsplit(url)
    return listener(parts.port) if parts.port is not None and parts.hostname in _LOOPBACK else None


def _listening(proc: Path) -> Iterator[tuple[int, int]]:
    """Port and uid of every socket that takes connections."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "self/net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENS:
                yield int(fields[1].rpartition(":")[2], 16), int(fields[7])
