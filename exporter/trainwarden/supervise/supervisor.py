"""The supervisor: watches one run, writes ``state.json``, and answers the control socket.

It may die at any time: the keeper starts another, which finds everything again in the run folder. If the keeper dies,
the supervisor clears what is left, stays for a restart, begins a new keeper for it with the launch environment that
it has inherited, and hands over to that keeper's supervisor.

``python -m trainwarden.supervise.supervisor RUN_FOLDER LINE_FD [ARRIVALS_FD]``, started by the keeper: the line to it,
and what it tells of the output (not so a keeper that began with an earlier version).
"""

import os
import selectors
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from trainwarden import system
from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import RunSpec
from trainwarden.runs.attendance import SUPERVISOR_LOCK
from trainwarden.runs.control import Probe, Reply, Request, Start, Stop
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import capture, kept, starting, stepping
from trainwarden.supervise.arrivals import Arrivals
from trainwarden.supervise.bell import Bell
from trainwarden.supervise.detach import lock
from trainwarden.supervise.kept import Kept
from trainwarden.supervise.line import KeeperLine, Line
from trainwarden.supervise.server import ControlServer
from trainwarden.supervise.watch import Now, RunWatch

BEAT_SECONDS = 1.0
LOOK_SECONDS = 0.2
"""Between two looks while something is under way, or where nobody tells when the training printed what: then the end of
a step may be seen late by so much. A calm run is looked at with each beat."""


def moment() -> Now:
    """Now, by both clocks."""
    return Now(time.time(), system.monotonic())


class Supervisor:
    """The loop: follow, watch, beat, answer; until the run is over or handed over."""

    def __init__(
        self, folder: RunFolder, spec: RunSpec, found: Kept, line: Line, selector: selectors.BaseSelector
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._line = line
        self._selector = selector
        self._bell = Bell(selector)
        self._watch = RunWatch(folder, spec, found, moment(), line.arrivals)
        self._server = ControlServer(folder, self._selector, self._carry_out, system.monotonic)
        self._beat_due = 0.0

    def run(self) -> None:
        """Watch until the run is closed, and then let the keeper go; or until another supervisor has taken over."""
        while not self._line.handed_over and not self._watch.closed:
            self._turn()
        if not self._line.handed_over:
            self._beat(moment())
            self._line.close()
        self._server.finish()

    def _turn(self) -> None:
        now = moment()
        ended_before = self._watch.ended
        self._line.look(self._watch, now)
        self._watch.look(now)
        if now.monotonic >= self._beat_due or self._watch.ended is not ended_before:
            self._beat(now)
        self._server.expire(now.monotonic)
        for ready, _ in self._selector.select(self._rest()):
            ready.data()

    def _rest(self) -> float:
        """Seconds until the next look, should nothing wake the loop before."""
        if self._line.quiet and self._watch.calm and self._bell.set(self._watch.kept.training):
            return max(0.0, self._beat_due - system.monotonic())
        return LOOK_SECONDS

    def _beat(self, now: Now) -> None:
        self._beat_due = now.monotonic + BEAT_SECONDS
        with suppress(OSError):  # a full disk: the next beat tries again, and an old one is seen by its age
            self._folder.write_state(self._watch.state(now))

    # --- the verbs ----------------------------------------------------------------------------------------
    def _carry_out(self, request: Request) -> Reply:
        now = moment()
        self._watch.look(now)
        if isinstance(request, Stop):
            if request.by == "receiver" and not request.final:
                state = self._watch.state(now)
                capture.write(self._folder, state.generation, state.members)
            self._watch.stop(by=request.by, final=request.final, now=now)
        elif isinstance(request, Start):
            now = self._start(request)
        elif isinstance(request, Probe):
            self._probe(request, now)
        else:
            raise RefusedError(f"run '{self._spec.name}' was started by trainwarden: there is nothing to detach")
        self._beat(now)
        return Reply(ok=True, state=self._watch.state(now))

    def _probe(self, request: Probe, now: Now) -> None:
        if request.by == "receiver":
            self._watch.heard_receiver(now)
        self._watch.scan(now)

    def _start(self, request: Start) -> Now:
        self._watch.scan(moment())
        state = self._watch.state(moment())
        starting.check(request, state)
        argv, resume = starting.resume_command(self._spec, starting.choose(request, self._spec, time.time()))
        names = [*state.remedies, *([request.remedy] if request.remedy else [])]
        adapted = stepping.Adapted(self._folder, self._spec, request.generation, names)
        argv = adapted.command(argv)
        if request.rehearsal:
            self._line.rehearse(request.generation, argv)
            return moment()
        adapted.write()
        launched = self._line.launch(request.generation, argv, self._watch)
        now = moment()
        self._watch.launched(launched, resume, now)
        self._watch.scan(now)
        return now


def main() -> None:
    """Wait for a predecessor to end, and supervise."""
    path, handles = Path(sys.argv[1]), [int(handle) for handle in sys.argv[2:]]
    for handle in handles:
        os.set_inheritable(handle, False)
    line, *arrivals = handles
    folder = RunFolder(path.name, path.parent)
    with lock(path / SUPERVISOR_LOCK, wait=True):
        spec, found = folder.read_spec(), kept.read(folder)
        if spec is None or found is None:
            raise RunFolderError(f"{path}: holds no run that was launched")
        selector, told = selectors.DefaultSelector(), Arrivals(arrivals[0]) if arrivals else None
        to_keeper = KeeperLine(folder, socket.socket(fileno=line), selector, told)
        Supervisor(folder, spec, found, to_keeper, selector).run()


if __name__ == "__main__":
    main()
