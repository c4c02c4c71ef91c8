"""Everything that the receiver holds about one run: its history, its ledger, and what it looks and acts with.

The webhook's threads and the worker write through the same desk. A line is only written on top of the history that its
writer decided by; whoever comes second looks again.
"""

import logging
import threading
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from trainwarden import config as configuration
from trainwarden.config import Config
from trainwarden.errors import RunFolderError, TrainwardenError
from trainwarden.launchers.base import Launcher
from trainwarden.model import RunSpec, RunState
from trainwarden.restart import evidence, exporter, gate
from trainwarden.restart.choosing import Chooser
from trainwarden.restart.events import Accepted, AnyEvent, Launched, Moment
from trainwarden.restart.history import History, replay
from trainwarden.restart.ledger import Ledger, LedgerError
from trainwarden.restart.records import Case
from trainwarden.runs.folder import RunFolder

log = logging.getLogger(__name__)


class VoidError(TrainwardenError):
    """The case that a stage works for was closed meanwhile (its alert was resolved, say)."""


class Tools(Struct, frozen=True, kw_only=True):
    """What every desk works with."""

    config: Config
    launcher_for: Callable[[RunFolder], Launcher]
    read_exporter: exporter.ReadExporter
    """Asks about the run of a name; never raises."""
    boot_id: str
    clock: Callable[[], Moment] = Moment.now
    """For what took long: the moment that a stage is handed is that of its beginning."""


class Scratch:
    """What the stages remember between two calls; lost with the receiver, and found anew by looking again."""

    def __init__(self) -> None:
        self.first: evidence.Reading | None = None
        """The first reading of a look."""
        self.not_before = 0.0
        """Seconds since boot before which there is nothing to look at."""
        self.waiting_for = ""
        """What holds the stage up: one sentence for the human who may be called."""
        self.failing_since: float | None = None
        """Seconds since boot at which the first of the errors was met that have come again and again since."""
        self.failed_at = 0.0
        """Seconds since boot of the last one."""
        self.child = gate.Child()
        self.first_step_at: float | None = None
        """Seconds since boot at which a launch was seen to take its first step."""


class Desk:
    """One run's place in the receiver. ``history`` is replaced whole and may be read from any thread."""

    def __init__(self, folder: RunFolder, spec: RunSpec, tools: Tools) -> None:
        """Raises ``LedgerError`` where the ledger is damaged."""
        self.folder = folder
        self.spec = spec
        self.tools = tools
        self.launcher = tools.launcher_for(folder)
        self.chooser = Chooser(spec)
        self.scratch = Scratch()
        self._ledger = Ledger(folder.ledger_path)
        self._lock = threading.Lock()
        self.unwritable = False
        """Whether the last line could not be entered."""
        self.history = replay(self._ledger.read(), spec.run_id)

    def write(self, event: AnyEvent, now: Moment, seen: History) -> bool:
        """Enter ``event``, flushed to the disk, unless the history is no longer ``seen``. Raises ``LedgerError``."""
        stamped = replace(event, at=now.wall, mono=now.mono, run_id=self.spec.run_id)
        with self._lock:
            if self.history is not seen:
                return False
            self._append(stamped)
            self.history = self.history.after(stamped)
            if isinstance(event, Accepted | Launched):
                self.scratch = Scratch()
        log.info("run '%s': %s", self.spec.name, describe(event))
        return True

    def _append(self, event: AnyEvent) -> None:
        try:
            self._ledger.append(event)
        except LedgerError:
            self.unwritable = True
            raise
        self.unwritable = False

    def waits_for(self, sentence: str) -> None:
        """Remember what holds the stage up, and log it when it changes."""
        if sentence and sentence != self.scratch.waiting_for:
            log.warning("run '%s': %s", self.spec.name, sentence)
        self.scratch.waiting_for = sentence

    def probe(self) -> RunState | None:
        """The supervisor's answer, None where it gives none."""
        try:
            return self.launcher.probe()
        except TrainwardenError:
            return None

    def state(self) -> RunState | None:
        """The supervisor's answer; where it gives none, what it last wrote."""
        return self.probe() or self.folder.read_state()

    def generation(self) -> int | None:
        """The generation that is there, as the supervisor last wrote; None where that cannot be told."""
        try:
            state = self.folder.read_state()
        except RunFolderError:
            return None
        return state.generation if state is not None and state.run_id == self.spec.run_id else None

    def read(self, now: Moment, *, gpus: bool) -> evidence.Reading:
        """One glance at the run, and where asked for, its GPUs. Raises ``RunFolderError`` for broken files."""
        answer = self.probe()
        state = answer or self.folder.read_state()
        ended = state is not None and state.ended is not None
        return evidence.Reading(
            at=now,
            state=state,
            answered=answer is not None and now.mono - answer.beat_monotonic <= evidence.BEAT_STALE,
            progress=self.folder.read_progress(),
            # A reaped exit status needs no second witness, and must not wait for one that is slow.
            exporter=None if ended or not gpus else self.tools.read_exporter(self.spec.name),
        )

    def threshold(self, signal: str, level: str) -> float:
        """The run's threshold in force."""
        overrides = self.spec.thresholds
        table = configuration.run_thresholds(self.tools.config, self.spec.profile, overrides, None)
        return table[signal, level].value

    @property
    def case(self) -> Case:
        """The open case. Raises ``VoidError``."""
        case = self.history.case
        if case is None:
            raise VoidError("the case was closed meanwhile")
        return case

    @property
    def paused(self) -> bool:
        """Whether the user wants the run left alone."""
        return self.folder.pause_path.exists()

    @property
    def observe(self) -> bool:
        """Whether it is only decided about the run, and not acted."""
        return configuration.is_observed(self.tools.config, self.spec.name)

    def error_base(self, generation: int) -> dict[str, int]:
        """The run's error counts before ``generation``, as the ledger has them."""
        before = [launch.errors for launch in self.history.launches if launch.generation == generation]
        return before[-1] if before else {}


def describe(event: AnyEvent) -> str:
    """One line for the log, without a word of what an alert said."""
    kind = type(event).__name__.lower()
    reason = getattr(event, "reason", None)
    return f"{kind} ({reason.value})" if reason is not None else kind
