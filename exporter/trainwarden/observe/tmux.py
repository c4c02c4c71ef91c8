"""A pane of tmux: what runs in its foreground, what stands on it, and a pipe of ours, where it has none.

Nothing is ever typed into a pane, and a pipe that somebody else opened is left alone.
"""

import shlex
import subprocess
import sys
from collections.abc import Sequence

from msgspec import Struct

from trainwarden import system
from trainwarden.errors import ConfigurationError
from trainwarden.observe.record import Pane
from trainwarden.observe.training import is_bare_shell, read_command
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.identity import DEAD_STATES

_SECONDS = 5.0
"""For one answer of the tmux server, which is otherwise there at once."""
_FORMAT = "#{socket_path}\t#{pane_id}\t#{pane_pid}\t#{pane_pipe}\t#{session_name}:#{window_index}.#{pane_index}"


class Found(Struct, frozen=True):
    """A pane as tmux lists it."""

    pane: Pane
    pid: int
    """Of the process that tmux started in it, most often a shell."""
    piped: bool
    place: str
    """``SESSION:WINDOW.PANE``."""


def find(target: str, server: str | None = None) -> tuple[Found, int]:
    """The pane of ``SESSION[:WINDOW[.PANE]]`` (or ``%ID``) in which something runs, and the pid of that.

    ``server`` names another tmux server than the user's own, as ``tmux -L NAME`` or ``tmux -S PATH`` do. Raises
    ``ConfigurationError`` where there is no such session, nothing runs in it, or several panes could be meant.
    """
    found = _panes(target, server)
    busy = [(pane, pid) for pane in found if (pid := foreground(pane.pid)) is not None]
    if len(busy) == 1:
        return busy[0]
    if not busy:
        places = ", ".join(pane.place for pane in found)
        raise ConfigurationError(f"tmux {target}: nothing but a shell runs there ({places}); start the training first")
    named = ", ".join(f"{pane.place} ({read_command(pid)[0]})" for pane, pid in busy)
    raise ConfigurationError(f"tmux {target}: something runs in several panes; name one of {named}")


def foreground(pane_pid: int) -> int | None:
    """The oldest process in the foreground of the pane's terminal; None where that is a shell at its prompt."""
    group = _groups(pane_pid)[1]
    stats = [s for s in map(system.read_stat, system.all_pids()) if s is not None and s.state not in DEAD_STATES]
    members = sorted((s for s in stats if _groups(s.pid)[0] == group), key=lambda s: (s.start_time, s.pid))
    return next((s.pid for s in members if not is_bare_shell(read_command(s.pid))), None)


def _groups(pid: int) -> tuple[int, int]:
    """The process's group, and the one in the foreground of its terminal: fields 5 and 8 of ``/proc/PID/stat``."""
    try:
        said = (system.PROC / str(pid) / "stat").read_text()
    except OSError:
        return -1, -2
    fields = said[said.rindex(")") + 2 :].split()
    return int(fields[2]), int(fields[5])


def text(pane: Pane) -> bytes:
    """What stands on the pane and in its history, wrapped lines joined; empty where tmux does not answer."""
    return _ask(["-S", pane.socket, "capture-pane", "-p", "-J", "-S", "-", "-t", pane.id])[0].encode()


def pipe(pane: Pane, folder: RunFolder) -> None:
    """Pipe what the pane prints into `trainwarden follow`, unless it is piped already.

    One command, which the tmux server carries out without a gap: `pipe-pane -o` would close another's pipe.
    """
    following = f"pipe-pane -t {pane.id} {shlex.quote(_follow_command(folder))}"
    _ask(["-S", pane.socket, "if-shell", "-F", "-t", pane.id, "#{pane_pipe}", "", following])


def unpipe(pane: Pane) -> None:
    """Close the pane's pipe. For its own follower alone, which knows that the pipe is still its own."""
    _ask(["-S", pane.socket, "pipe-pane", "-t", pane.id])


def _follow_command(folder: RunFolder) -> str:
    """For the shell of the tmux server, whose PATH and environment are not the user's of today."""
    log = shlex.quote(str(folder.path / "follow.log"))
    state_home = shlex.quote(f"XDG_STATE_HOME={folder.path.parents[2]}")
    options = ["follow", folder.name, "--quiet", "--while-watched"]
    command = f"exec env {state_home} {shlex.join([sys.executable, '-m', 'trainwarden', *options])} 2>>{log}"
    # tmux itself expands # and, as strftime does, %.
    return command.replace("#", "##").replace("%", "%%")


def _panes(target: str, server: str | None) -> list[Found]:
    """Every pane that the target may mean."""
    named = [] if server is None else ["-S" if "/" in server else "-L", server]
    listed, wanted = _listing(target)
    said, complaint = _ask([*named, "list-panes", *listed, "-F", _FORMAT])
    found = [pane for pane in map(_read, said.splitlines()) if pane.pane.id == wanted or pane.place.endswith(wanted)]
    if not found:
        raise ConfigurationError(f"tmux {target}: {complaint or 'there is no such pane'}")
    return found


def _listing(target: str) -> tuple[list[str], str]:
    """How tmux lists them, and the pane's id, or how its place ends.

    `=` keeps tmux from taking "luca" for the beginning of "luca-old".
    """
    if target.startswith("%"):
        return ["-a"], target
    session, _, rest = target.partition(":")
    window, dot, index = rest.rpartition(".")
    if dot and index.isdecimal():
        return ["-t", f"={session}:{window}"], f".{index}"
    return (["-t", f"={session}:{rest}"] if rest else ["-s", "-t", f"={session}:"]), ""


def _read(line: str) -> Found:
    socket, pane, pid, piped, place = line.split("\t")
    return Found(Pane(socket, pane), int(pid), piped == "1", place)


def _ask(arguments: Sequence[str]) -> tuple[str, str]:
    """What tmux says, and what it complains about. Never raises."""
    try:
        done = subprocess.run(
            ["tmux", "-u", *arguments], capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        return "", "there is no tmux on the PATH"
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"tmux does not answer ({type(error).__name__})"
    return done.stdout, done.stderr.strip() or ("" if done.returncode == 0 else "tmux refused")
