"""The observer: a process of its own beside a training that trainwarden did not start; writes its run's ``state.json``.

It may die at any time, and the training never notices; `trainwarden attach` starts another, which goes on.

``python -m trainwarden.observe.observer RUN_FOLDER LOCK_FD``, started by ``attach``.
"""

import os
import selectors
import sys
import time
from contextlib import suppress
from pathlib import Path

from trainwarden import system
from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import RunSpec
from trainwarden.observe import record
from trainwarden.observe.record import Observed
from trainwarden.observe.watch import ObservedWatch
from trainwarden.runs.control import Detach, Probe, Reply, Request
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise.server import ControlServer
from trainwarden.supervise.watch import Now

FOLLOW_SECONDS = 0.2
BEAT_SECONDS = 1.0


def moment() -> Now:
    """Now, by both clocks."""
    return Now(time.time(), system.monotonic())


class Observer:
    """The loop: look, beat, answer; until the training is gone or the watch is ended."""

    def __init__(self, folder: RunFolder, spec: RunSpec, observed: Observed) -> None:
        self._folder = folder
        self._name = spec.name
        self._selector = selectors.DefaultSelector()
        self._watch = ObservedWatch(folder, spec, observed, moment())
        self._server = ControlServer(folder, self._selector, self._carry_out, system.monotonic)
        self._beat_due = 0.0

    def run(self) -> None:
        """Watch to the end."""
        while self._watch.ended is None:
            self._turn()
        self._beat(moment())
        self._server.finish()

    def _turn(self) -> None:
        now = moment()
        self._watch.look(now)
        if now.monotonic >= self._beat_due:
            self._beat(now)
        self._server.expire(now.monotonic)
        for ready, _ in self._selector.select(FOLLOW_SECONDS):
            ready.data()

    def _beat(self, now: Now) -> None:
        self._beat_due = now.monotonic + BEAT_SECONDS
        with suppress(OSError):  # a full disk: the next beat tries again, and an old one is seen by its age
            self._folder.write_state(self._watch.state(now))

    def _carry_out(self, request: Request) -> Reply:
        """Answer a look; whatever would stop or start the training is refused."""
        now = moment()
        if isinstance(request, Detach):
            self._watch.detach(now)
        elif not isinstance(request, Probe):
            raise RefusedError(
                f"run '{self._name}' was started outside of trainwarden, which only watches it: stop it where it runs; "
                f"`trainwarden detach {self._name}` ends the watching"
            )
        self._watch.look(now)
        self._watch.scan(now)
        self._beat(now)
        return Reply(ok=True, state=self._watch.state(now))


def main() -> None:
    """Detach from whoever started this, and observe."""
    path, lock = Path(sys.argv[1]), int(sys.argv[2])
    if os.fork():
        os._exit(0)  # nobody waits for the child
    os.set_inheritable(lock, False)  # held until this process is gone: one observer a run
    folder = RunFolder(path.name, path.parent)
    spec, observed = folder.read_spec(), record.read(folder)
    if spec is None or observed is None:
        raise RunFolderError(f"{path}: holds no run that was attached")
    Observer(folder, spec, observed).run()


if __name__ == "__main__":
    main()
