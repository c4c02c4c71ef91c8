"""The keeper: a training's parent, and nothing more, so that it can live as long as the training does.

It holds the training's terminal and drains it into ``output.<generation>.log``, reaps, writes ``keeper.json``, and
starts a new supervisor whenever that dies. Everything that can go wrong (parsing, sockets, checkpoints, /proc) is
the supervisor's. Standard library only; the launch environment stays in this process's memory.

``python -m trainwarden.supervise.keeper RUN_FOLDER LOCK_FD < first order``, started by ``detach.start_keeper``.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import Any

from trainwarden import names, system
from trainwarden.supervise import orders, terminal
from trainwarden.supervise.arrivals import Arrival, Telling
from trainwarden.supervise.outputlog import OutputLog
from trainwarden.supervise.respawn import SupervisorChild

_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
_TICK = 1.0
_LITTLE = 2048
"""Bytes at once. A training that prints more is drained at full speed, or it would be blocked."""
_SHORTEST, _LONGEST = 0.15, 0.5
"""Seconds after which one that prints little is heard again, doubled while it goes on printing meanwhile: ten lines a
second need not wake this process ten times. By so much the end of a step may be timed late."""
_LAST_OUTPUT, _QUIET = 1.0, 0.1
"""After the training's exit: how long its terminal is drained at most, and what counts as empty, seconds."""


class Keeper:
    """The parent of one run's trainings, one generation after the other."""

    def __init__(self, folder: Path) -> None:
        spec = json.loads((folder / "run.json").read_bytes())
        self._folder = folder
        self._cwd: str = spec["cwd"]
        self._tags = {names.RUN_ENVIRONMENT: spec["name"], names.RUN_ID_ENVIRONMENT: spec["run_id"]}
        self._record: dict[str, Any] = {"keeper": system.identify(os.getpid()), "generation": 0, "exit": None}
        self._unwritten = False
        self._size = terminal.DEFAULT_SIZE
        self._started: terminal.Started | None = None
        self._log: OutputLog | None = None
        self._open = True
        self._pause = 0.0
        """Seconds that the training was given to print more; 0 where it did not."""
        self._selector = selectors.DefaultSelector()
        self._telling = Telling()
        self._supervisor = SupervisorChild(folder, self._selector, self._obey, self._telling.reader)

    def run(self, first_order: bytes) -> None:
        """Carry out the first order, and then live until told to close."""
        self._watch_signals()
        self._obey(first_order)
        while self._open:
            try:
                self._turn()
            except Exception as error:  # noqa: PERF203  (this process's death would be the training's)
                _complain(error)
                time.sleep(_QUIET)

    def _turn(self) -> None:
        self._reap()
        self._supervisor.tend()
        for ready, _ in self._ready():
            ready.data()
        if self._unwritten:
            self._write_record()

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        if self._pause:
            time.sleep(self._pause)
            if ready := self._selector.select(0):
                return ready
            self._pause = 0.0
        return self._selector.select(self._supervisor.wait_seconds(_TICK))

    def _watch_signals(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in terminal.HANDLED_BY_KEEPER:
            signal.signal(number, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ, lambda: self._signalled(os.read(reader, 4096)))

    def _signalled(self, numbers: bytes) -> None:
        """SIGTERM to the keeper is the user's wish to end the run; the supervisor reads it in the record."""
        if signal.SIGTERM in numbers:
            self._update(terminated_at=time.time())
            if self._started is not None and self._lives():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._started.pid, signal.SIGTERM)

    def _obey(self, line: bytes) -> None:
        order = orders.parse(line)
        if order["order"] == "launch":
            self._size = tuple(order["size"] or self._size)
            self._launch(order["generation"], order["argv"])
        elif order["order"] == "close" and not self._lives():
            self._open = False

    # --- the training -------------------------------------------------------------------------------------
    def _lives(self) -> bool:
        return self._started is not None and self._record["exit"] is None

    def _launch(self, generation: int, argv: list[str]) -> None:
        """Start one generation, written down before it does anything."""
        if generation <= self._record["generation"] or self._lives():
            return
        self._let_go()
        tags = {**self._tags, names.GENERATION_ENVIRONMENT: str(generation)}
        started = terminal.start(argv, self._cwd, {**os.environ, "PWD": self._cwd, **tags}, self._size)
        record = {
            "keeper": self._record["keeper"],
            "generation": generation,
            "training": system.identify(started.pid),
            "argv": argv,
            "started_at": time.time(),
            "exit": None,
            "terminated_at": None,
        }
        try:
            system.replace_json(self._folder / "keeper.json", record, durable=True)
        except OSError:
            started.cancel()
            raise
        self._record, self._started = record, started
        self._log = OutputLog(self._folder / f"output.{generation}.log")
        self._selector.register(started.master, selectors.EVENT_READ, self._drain)
        started.release()

    def _drain(self) -> None:
        if self._started is not None and self._log is not None:
            said = terminal.read(self._started.master)
            self._log.write(said)
            self._telling.tell(Arrival(self._record["generation"], self._log.end(), time.time()))
            self._pause = pause_after(len(said), self._pause)

    def _reap(self) -> None:
        """Wait for every child that has died: the training, a supervisor, an orphan of the training."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                if self._supervisor.reaped(pid) or self._started is None or not self._lives():
                    continue
                if pid == self._started.pid:
                    self._training_died(self._started.master, os.waitstatus_to_exitcode(status))

    def _training_died(self, master: int, code: int) -> None:
        self._drain_last_words(master)
        exited = {"code": code, "signal": None} if code >= 0 else {"code": None, "signal": -code}
        self._update(exit={**exited, "at": time.time()})

    def _drain_last_words(self, master: int) -> None:
        """What the training printed just before its end is still on its way; what orphans print never ends."""
        until = time.monotonic() + _LAST_OUTPUT
        with selectors.DefaultSelector() as only:
            only.register(master, selectors.EVENT_READ)
            while time.monotonic() < until and only.select(_QUIET):
                self._drain()

    def _let_go(self) -> None:
        """Close the terminal of a generation that has ended."""
        if self._started is not None and self._log is not None:
            self._selector.unregister(self._started.master)
            os.close(self._started.master)
            os.close(self._started.slave)
            self._log.close()
            self._started = self._log = None

    # --- the record ---------------------------------------------------------------------------------------
    def _update(self, **changes: Any) -> None:
        self._record = {**self._record, **changes}
        self._write_record()

    def _write_record(self) -> None:
        """Write ``keeper.json``; where the disk does not take it, it is tried again at every turn."""
        try:
            system.replace_json(self._folder / "keeper.json", self._record, durable=True)
            self._unwritten = False
        except OSError as error:
            if not self._unwritten:
                _complain(error)
            self._unwritten = True


def pause_after(said: int, before: float) -> float:
    """Seconds until a training is heard again that printed so many bytes, after a pause of ``before`` or a silence."""
    return 0.0 if said >= _LITTLE else min(max(_SHORTEST, 2 * before), _LONGEST)


def _complain(error: Exception) -> None:
    """Say what went wrong in ``keeper.log``, if that can be written at all."""
    with contextlib.suppress(OSError):
        print(f"trainwarden keeper: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _adopt_orphans() -> None:
    """Become the parent of every orphan of the training: they stay findable, and no zombie is left."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    """Detach from whoever started this, and keep."""
    folder, lock = Path(sys.argv[1]), int(sys.argv[2])
    first_order = sys.stdin.buffer.read()
    if os.fork():
        os._exit(0)  # nobody waits for the child, and it can never gain a controlling terminal
    os.set_inheritable(lock, False)  # held until this process is gone: one keeper a run
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _adopt_orphans()
    Keeper(folder).run(first_order)


if __name__ == "__main__":
    main()
