"""tmux: the training runs in a pane of its own, which stays when it ends and takes the next generation.

Nothing is ever typed into a pane, and no pane that runs something is taken: a pane is ours by an option that we set on
it. What tmux is told stands on its standard input, never in a process list, for the environment may hold secrets.
"""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

from trainwarden import system
from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers.engine import Order, Status
from trainwarden.launching import TmuxOptions

_SECONDS = 5.0
"""For one answer of the tmux server, which is otherwise there at once."""
_MARK = "@trainwarden"
"""The option of a pane that says whose it is: run id and generation."""
_FORMAT = "#{pane_id}\t#{pane_pid}\t#{pane_dead}\t#{pane_dead_status}\t#{pane_dead_signal}\t#{@trainwarden}"
_NO_SERVER = ("no server running", "error connecting", "server exited", "lost server")


class EngineSilentError(TrainwardenError):
    """The engine gives no answer, which says nothing about the training."""


class _Pane(NamedTuple):
    id: str
    pid: int
    dead: bool
    status: str
    signal: str
    mark: str


class TmuxEngine:
    """Implements ``launchers.engine.Engine``. A handle is the launch's mark and its pane's id."""

    name = "tmux"
    interval = 1.0
    visible = True

    def __init__(self, options: TmuxOptions) -> None:
        self._options = options

    def check(self, order: Order) -> None:  # noqa: ARG002
        """There must be a tmux."""
        self._ask("-V")

    def start(self, order: Order) -> str:
        """Respawn our dead pane; where there is none, open one in a session of its own or in the user's."""
        pane = self._our_pane(order)
        mark = _mark(order)
        if pane is not None:
            said = self._tell([_again(order, pane), *_keep(order, mark, pane.id)])
        else:
            said = self._tell(self._open(order, mark))
        if found := self._find(mark):
            return f"{mark} {found.id}"
        raise RefusedError(f"tmux opened no pane for run '{order.name}': {said or 'it says nothing'}")

    def find(self, order: Order) -> str | None:
        """By the mark on the pane."""
        found = self._find(_mark(order))
        return f"{_mark(order)} {found.id}" if found else None

    def probe(self, handle: str) -> Status:
        """By the pane: its process, and once that is dead its status or signal.

        Of a pane that is gone while its server answers, somebody closed it. Where the server itself is gone, so is
        the training, most likely by SIGHUP: how it ended is unknown.
        """
        mark, _, pane_id = handle.rpartition(" ")
        panes = self._panes()
        if panes is None:
            return Status(alive=False)
        pane = next((pane for pane in panes if (pane.id, pane.mark) == (pane_id, mark)), None)
        if pane is None:
            return Status(alive=False, by_hand=True)
        if not pane.dead or self._unreaped(pane):
            return Status(alive=True, pid=pane.pid)
        return Status(alive=False, exit_code=_number(pane.status), signal=_number(pane.signal))

    def _unreaped(self, pane: _Pane) -> bool:
        """Whether tmux has seen the terminal's end and not yet the process's, whose status it then does not know.

        A process that ends in its first moment may stay so for ever (tmux 3.3a); the end of a child more wakes tmux.
        """
        waits = not pane.status and not pane.signal and system.read_stat(pane.pid) is not None
        if waits:
            self._ask("run-shell", "-b", "true")
        return waits

    def cgroup_names(self, handle: str) -> tuple[str, ...]:  # noqa: ARG002
        """None: where tmux makes a scope for a pane, its name does not say for which."""
        return ()

    def stop(self, handle: str, *, kill: bool) -> None:
        """Nothing: the members are processes of this machine, and are asked one by one."""

    def carry(self, handle: str, output: Path) -> None:
        """Nothing: the pane is piped into the output."""

    # --- panes ------------------------------------------------------------------------------------------------
    def _our_pane(self, order: Order) -> _Pane | None:
        """The pane of the run's former launch. Raises ``RefusedError`` while something runs in it."""
        panes = self._panes() or []
        ours = [pane for pane in panes if pane.mark.startswith(f"{order.run_id}/")]
        busy = next((pane for pane in ours if not pane.dead), None)
        if busy is not None:
            raise RefusedError(f"tmux pane {busy.id} of run '{order.name}' still runs something (pid {busy.pid})")
        return ours[-1] if ours else None

    def _find(self, mark: str) -> _Pane | None:
        return next((pane for pane in self._panes() or [] if pane.mark == mark), None)

    def _panes(self) -> list[_Pane] | None:
        """Every pane of the server; None where there is no server."""
        said, complaint, code = self._ask("list-panes", "-a", "-F", _FORMAT)
        if code == 0:
            return [_read(line) for line in said.splitlines()]
        if "no current target" in complaint:  # a server without any session
            return []
        if any(words in complaint for words in _NO_SERVER):
            return None
        raise EngineSilentError(f"tmux does not answer: {complaint}")

    def _open(self, order: Order, mark: str) -> list[str]:
        """A new session, or where the user has one of that name a window in it, found by a name that is ours alone."""
        session = re.sub(r"[.:]", "_", self._options.session or order.name)  # which tmux makes of them itself
        window = f"trainwarden-{order.run_id}"
        where = f"-n {window} {_folder(order)} {_given(order)} {_quoted(_command(order))}"
        *_, code = self._ask("has-session", "-t", f"={session}")
        place = f"new-window -d -t {_quoted(f'={session}:')}" if code == 0 else f"new-session -d -s {_quoted(session)}"
        target = _quoted(f"={session}:={window}")
        # What a new session is given holds for all that its user opens there later, who would be taken for the run's.
        ours = [f"set-environment -t {_quoted(f'={session}')} -u {key}" for key in order.environment]
        forget = [] if code == 0 else ours
        return [
            f"{place} {where}",
            *_keep(order, mark, target),
            *forget,
            f"rename-window -t {target} {_quoted(order.name)}",
        ]

    # --- the server -------------------------------------------------------------------------------------------
    def _ask(self, *arguments: str) -> tuple[str, str, int]:
        return self._run([*arguments], b"")

    def _tell(self, commands: list[str]) -> str:
        """Have the server carry out these commands without a gap; returns its complaint.

        ``exit-empty off``: a server without sessions goes on, so that a session that its user closes is told from a
        server that died.
        """
        start = ["start-server", ";", "set-option", "-s", "exit-empty", "off", ";", "source-file", "-"]
        return self._run(start, "\n".join(commands).encode())[1]

    def _run(self, arguments: list[str], stdin: bytes) -> tuple[str, str, int]:
        server = self._options.server
        named = [] if server is None else ["-S" if "/" in server else "-L", server]
        try:
            done = subprocess.run(
                ["tmux", "-u", *named, *arguments], input=stdin, capture_output=True, timeout=_SECONDS, check=False
            )
        except FileNotFoundError:
            raise RefusedError("there is no tmux on the PATH; install it, or choose another launcher") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineSilentError(f"tmux does not answer ({type(error).__name__})") from error
        return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace").strip(), done.returncode


def _again(order: Order, pane: _Pane) -> str:
    return f"respawn-pane -t {pane.id} {_folder(order)} {_given(order)} {_quoted(_command(order))}"


def _given(order: Order) -> str:
    """The environment of whoever launches, with the run's own: what a session holds is another's."""
    environment = {**os.environ, **order.environment}
    return " ".join(f"-e {_quoted(f'{key}={value}')}" for key, value in environment.items() if "\n" not in value)


def _keep(order: Order, mark: str, target: str) -> list[str]:
    """What follows on the opening, before the server reads a byte of the pane's output."""
    pipe = f"exec cat >>{shlex.quote(order.output)}"
    return [
        f"set-option -p -t {target} remain-on-exit on",
        f"set-option -p -t {target} {_MARK} {_quoted(mark)}",
        f"pipe-pane -t {target} {_quoted(_literal(pipe))}",
    ]


def _folder(order: Order) -> str:
    return f"-c {_quoted(order.cwd.replace('#', '##'))}"


def _command(order: Order) -> str:
    """For the shell that tmux starts, which makes place for the training."""
    return f"exec {shlex.join(order.argv)}"


def _literal(text: str) -> str:
    """tmux expands # and, as strftime does, % in what it pipes into."""
    return text.replace("#", "##").replace("%", "%%")


def _quoted(text: str) -> str:
    """As tmux's own parser takes it: nothing is expanded in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def _mark(order: Order) -> str:
    return f"{order.run_id}/{order.generation}"


def _read(line: str) -> _Pane:
    pane, pid, dead, status, signal, mark = line.split("\t")
    return _Pane(pane, int(pid), dead == "1", status, signal, mark)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
