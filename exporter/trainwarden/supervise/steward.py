"""The supervisor of a run that an engine launches: nobody of ours is the training's parent, so it keeps the record.

``python -m trainwarden.supervise.steward RUN_FOLDER LOCK_FD``, started by `trainwarden run` and `trainwarden attend`.
Where it dies, the training goes on, and an alert tells that nobody watches it.
"""

import os
import selectors
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGHUP

import msgspec
from msgspec.structs import replace

from trainwarden import system
from trainwarden.errors import RefusedError, RunFolderError, TrainwardenError
from trainwarden.launchers.engine import Engine, Order, Status
from trainwarden.model import Identity, RunSpec
from trainwarden.names import GENERATION_ENVIRONMENT, RUN_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.runs import cgroups, identity
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import kept
from trainwarden.supervise.arrivals import Arrivals
from trainwarden.supervise.engines import engine_of
from trainwarden.supervise.execute import read_exit, read_taken
from trainwarden.supervise.kept import Exit, Kept
from trainwarden.supervise.supervisor import Supervisor
from trainwarden.supervise.watch import Now, RunWatch

BORN_SECONDS = 10.0
"""How long the process of a launch may take to be seen."""
LATE_SECONDS = 10.0
"""How long a launch is looked for whose answer was lost: the receiver waits a minute for this one."""


class EngineLine:
    """Implements ``line.Line``: launches by an engine, and writes down what that says."""

    handed_over = False
    arrivals: Arrivals | None = None
    quiet = False

    def __init__(self, folder: RunFolder, spec: RunSpec, engine: Engine) -> None:
        self._folder = folder
        self._spec = spec
        self._engine = engine
        self._probe_due = 0.0
        self._asked = ""
        """The handle of whom was asked to stop."""
        self._unwritten: Kept | None = None
        """The record of a launch that the disk had no room for."""

    # --- looking ------------------------------------------------------------------------------------------
    def look(self, watch: RunWatch, now: Now) -> None:
        """Ask the engine, now and then; that it does not answer is no end of the training."""
        watch.visible = self._engine.visible
        if now.monotonic < self._probe_due:
            return
        self._probe_due = now.monotonic + self._engine.interval
        with suppress(OSError):
            if self._unwritten is not None:
                self._keep(self._unwritten)
        with suppress(TrainwardenError, OSError, ValueError, KeyError):  # or it speaks what we do not read
            self._engine.carry(watch.kept.handle, self._folder.output_path(watch.kept.generation))
            if watch.kept.exit is None:
                self._ask(watch, now)

    def _ask(self, watch: RunWatch, now: Now) -> None:
        status = self._engine.probe(watch.kept.handle)
        watch.suspended = status.suspended
        if not status.alive:
            if not self._lives_here(watch):
                self._record(watch, exit=self._exit(watch, status, now))
            return
        self._press(watch, now)
        if watch.kept.training is None and status.pid is not None:
            self._record(watch, training=identity.identify(status.pid))
        elif watch.kept.cgroup is None:
            self._find_cgroup(watch)

    def _find_cgroup(self, watch: RunWatch) -> None:
        """Write down the launch's own control group, by the engine's name for it."""
        wrapper = read_taken(self._folder, watch.kept.generation)
        root = watch.kept.training or wrapper
        if root is None or not identity.lives(root):
            return
        found = cgroups.named(root.pid, self._engine.cgroup_names(watch.kept.handle))
        if found is not None:
            self._record(watch, cgroup=found, wrapper=wrapper)

    def _lives_here(self, watch: RunWatch) -> bool:
        """Whether a process of the launch is seen to live, whatever its engine says (of another server, say)."""
        taken = read_taken(self._folder, watch.kept.generation)
        known = (found for found in (watch.kept.training, taken) if found is not None)
        return any(identity.lives(found) for found in known)

    def _press(self, watch: RunWatch, now: Now) -> None:
        """Members that cannot be seen from here are stopped by their engine: asked first, killed after the grace."""
        seconds = watch.stopping_for(now)
        if seconds is None or self._engine.visible:
            return
        kill, handle = seconds >= self._spec.limits.term_grace, watch.kept.handle
        if kill or self._asked != handle:  # a second SIGTERM makes some trainers leave their last save
            self._engine.stop(handle, kill=kill)
            self._asked = handle

    def _exit(self, watch: RunWatch, status: Status, now: Now) -> Exit:
        """What `trainwarden exec` saw, where it ran the training; else what the engine says.

        Not so where the engine cut it off: the SIGTERM that it sent then is not a stop by hand.
        """
        at = status.at or now.unix
        if status.cut_off:
            return Exit(code=None, signal=None, at=at)
        seen = read_exit(self._folder, watch.kept.generation)
        if seen is not None:
            return seen
        if status.by_hand and watch.stopping_for(now) is None:
            return Exit(code=None, signal=SIGHUP, at=at)  # as of a terminal that somebody closed
        return Exit(code=status.exit_code, signal=status.signal, at=at)

    def _record(self, watch: RunWatch, **changes: object) -> None:
        self._keep(replace(watch.kept, **changes))

    def _keep(self, record: Kept) -> None:
        kept.write(self._folder, record)
        self._unwritten = None

    # --- launching ----------------------------------------------------------------------------------------
    def rehearse(self, generation: int, argv: list[str]) -> None:
        """Ask the engine whether it would."""
        with _refusing():
            self._engine.check(self._order(generation, argv))

    def launch(self, generation: int, argv: list[str], watch: RunWatch | None = None) -> Kept:  # noqa: ARG002
        """Write the order, and launch; a launch whose record was lost is found, and not repeated."""
        order = self._order(generation, argv)
        with _refusing():
            system.replace_file(self._folder.order_path(generation), msgspec.json.encode(order), durable=True)
            handle = self._started(order)
        record = Kept(
            keeper=identity.myself(),
            generation=generation,
            training=self._born(handle),
            argv=argv,
            started_at=time.time(),
            exit=None,
            terminated_at=None,
            handle=handle,
        )
        try:
            self._keep(record)
        except OSError:  # it runs: that is known here, and written down once there is room
            self._unwritten = record
        return record

    def _started(self, order: Order) -> str:
        """The handle of a launch. One whose answer was lost may have begun all the same; what has not, never will."""
        try:
            return self._engine.find(order) or self._engine.start(order)
        except (TrainwardenError, OSError) as error:
            refused = isinstance(error, RefusedError)
            handle = None if refused else self._found_late(order)
            if handle is None:
                self._folder.order_path(order.generation).unlink(missing_ok=True)
            if handle is None and self._folder.taken_path(order.generation).exists():
                handle = self._found_late(order)
            if handle is None:
                raise
            return handle

    def _found_late(self, order: Order) -> str | None:
        deadline = time.monotonic() + LATE_SECONDS
        while time.monotonic() < deadline:
            with suppress(TrainwardenError, OSError):
                if handle := self._engine.find(order):
                    return handle
            time.sleep(0.5)
        return None

    def _born(self, handle: str) -> Identity | None:
        """The process of the launch, where it can be seen from here."""
        deadline = time.monotonic() + BORN_SECONDS
        while self._engine.visible and time.monotonic() < deadline:
            with suppress(TrainwardenError):
                status = self._engine.probe(handle)
                if not status.alive or status.pid is not None:
                    return identity.identify(status.pid) if status.pid is not None else None
            time.sleep(0.05)
        return None

    def _order(self, generation: int, argv: list[str]) -> Order:
        own = {
            RUN_ENVIRONMENT: self._spec.name,
            RUN_ID_ENVIRONMENT: self._spec.run_id,
            GENERATION_ENVIRONMENT: str(generation),
        }
        return Order(
            name=self._spec.name,
            run_id=self._spec.run_id,
            generation=generation,
            argv=argv,
            cwd=self._spec.cwd,
            environment=own,
            output=str(self._folder.output_path(generation)),
        )

    def close(self) -> None:
        """Nobody need be told."""


@contextmanager
def _refusing() -> Iterator[None]:
    """Whatever an engine says against a launch is a refusal."""
    try:
        yield
    except RefusedError:
        raise
    except (TrainwardenError, OSError) as error:
        raise RefusedError(str(error)) from error


def main() -> None:
    """Launch the first generation, where there is none yet, and supervise."""
    path, held = Path(sys.argv[1]), int(sys.argv[2])
    folder = RunFolder(path.name, path.parent)
    spec = folder.read_spec()
    if spec is None or spec.launcher is None:
        raise RunFolderError(f"{path}: holds no run that an engine launches")
    line = EngineLine(folder, spec, engine_of(spec.launcher))
    found = kept.read(folder) or line.launch(1, spec.command)
    if os.fork():
        os._exit(0)  # who started this waits for the launch, and nobody for the child
    os.set_inheritable(held, False)  # the lock is held until this process is gone
    Supervisor(folder, spec, found, line, selectors.DefaultSelector()).run()


if __name__ == "__main__":
    main()
