"""From one pid to a whole training: its launcher above it, its workers below it, and the command that names it."""

import os
import pwd
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePath

from msgspec import Struct

from trainwarden import system
from trainwarden.checkpoints import recognise
from trainwarden.errors import ConfigurationError
from trainwarden.model import Identity
from trainwarden.names import RUN_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.runs.identity import DEAD_STATES, identify

SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "nu", "pwsh", "sh", "tcsh", "xonsh", "zsh"})
_MULTIPLEXERS = frozenset({"tmux", "screen", "SCREEN", "dtach", "abduco", "zellij"})
"""Their servers keep the command line that they were called with: `tmux new python train.py` looks like a launcher."""
_HEAD = 64
"""Words in which a script is looked for: behind its own name come the trainer's arguments, which may name others."""


class Training(Struct, frozen=True):
    """What was found."""

    root: Identity
    """The topmost process of the training: its launcher, where it has one."""
    command: list[str]
    """Of the process that says most: the first of the tree that a recipe recognises, else the topmost."""
    cwd: Path
    """Where that process's relative paths begin."""


def find(pid: int) -> Training:
    """The training that this process belongs to. Raises ``ConfigurationError`` where it is none that may be watched."""
    _check(pid)
    stats = {s.pid: s for s in map(system.read_stat, system.all_pids()) if s is not None}
    root = pid
    while (stat := stats.get(root)) is not None and _launched(stat.parent, root):
        root = stat.parent
    identity = identify(root)
    if identity is None:
        raise _gone(pid)
    below = sorted(_descendants(root, {s.pid: s.parent for s in stats.values()}), key=lambda p: stats[p].start_time)
    telling = next((p for p in (root, *below) if recognise(read_command(p)).name != "none"), root)
    try:
        cwd = (system.PROC / str(telling) / "cwd").readlink()
    except OSError:
        raise _gone(pid) from None
    return Training(root=identity, command=read_command(telling), cwd=cwd)


def read_command(pid: int) -> list[str]:
    """The command line of a process; empty where it is gone, a zombie, or a thread of the kernel."""
    try:
        raw = (system.PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return []
    # What is not UTF-8 could not be written into run.json.
    return [word.decode(errors="replace") for word in raw.removesuffix(b"\0").split(b"\0")] if raw else []


def is_same_work(one: list[str], other: list[str]) -> bool:
    """Whether two command lines run the same script or module, as a launcher's and its trainer's do."""
    return bool(_scripts(one) & _scripts(other))


def is_bare_shell(command: list[str]) -> bool:
    """Whether this is a shell that somebody types into: no script, and no command of its own."""
    name = PurePath(command[0].removeprefix("-")).name if command else ""
    return name in SHELLS and all(word.startswith("-") and word != "-c" for word in command[1:])


def _is_trainwarden(command: list[str]) -> bool:
    """Whether this is one of our own commands: `trainwarden run` in a pane shows a training, and is none."""
    return any(PurePath(word).name == "trainwarden" for word in command[:2]) or command[1:3] == ["-m", "trainwarden"]


def _launched(parent: int, child: int) -> bool:
    """Whether ``parent`` is a part of the training (accelerate, torchrun), and not the shell that it was typed into."""
    command = read_command(parent)
    multiplexer = bool(command) and PurePath(command[0]).name in _MULTIPLEXERS
    return not multiplexer and is_same_work(command, read_command(child))


def _scripts(command: list[str]) -> set[str]:
    modules = {word for before, word in pairwise(command) if before in ("-m", "--module")}
    return modules | {word for word in command[:_HEAD] if word.endswith(".py")}


def _descendants(root: int, parents: dict[int, int]) -> Iterable[int]:
    found = [child for child, parent in parents.items() if parent == root]
    for child in found:
        found.extend(grandchild for grandchild, parent in parents.items() if parent == child)
    return found


def _check(pid: int) -> None:
    """Refuse what is no training, or not this user's, in one sentence."""
    stat = system.read_stat(pid)
    if stat is None or stat.state in DEAD_STATES:
        raise _gone(pid)
    try:
        owner = (system.PROC / str(pid)).stat().st_uid
    except OSError:
        raise _gone(pid) from None
    if os.geteuid() not in (0, owner):
        raise ConfigurationError(f"pid {pid} belongs to user {_user(owner)}: only that user, or root, can watch it")
    command, environment = read_command(pid), system.read_environment(pid)
    if not command:
        raise ConfigurationError(f"pid {pid} has no command line: it is a thread of the kernel, and no training")
    if RUN_ID_ENVIRONMENT in environment:
        run = environment.get(RUN_ENVIRONMENT)
        whose = f"the run '{run}', which trainwarden started and watches" if run else "trainwarden itself"
        raise ConfigurationError(f"pid {pid} belongs to {whose}: there is nothing to attach")
    if _is_trainwarden(command):
        raise ConfigurationError(
            f"pid {pid} is trainwarden itself ({' '.join(command[:5])}): there is nothing to attach"
        )
    if is_bare_shell(command):
        raise ConfigurationError(f"pid {pid} is a shell ({command[0]}), not a training{_inside(pid)}")


def _inside(shell: int) -> str:
    """What runs in the shell: most likely that was meant."""
    stats = (system.read_stat(pid) for pid in system.all_pids())
    children = [s.pid for s in stats if s is not None and s.parent == shell and s.state not in DEAD_STATES]
    named = [f"--pid {child} ({' '.join(read_command(child)[:4])})" for child in children]
    return f"; in it runs {', or '.join(named)}" if named else "; nothing runs in it"


def _gone(pid: int) -> ConfigurationError:
    return ConfigurationError(f"pid {pid}: there is no such process (any more)")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
