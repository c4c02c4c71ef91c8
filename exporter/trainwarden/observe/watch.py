"""What the observer knows of a training that is not its own: members, output, and the end. It sends no signal, ever.

No sockets and no clock: the loop hands in the time and calls ``look`` a few times a second.
"""

from contextlib import suppress

from trainwarden.checkpoints import recipe_of
from trainwarden.errors import RunFolderError
from trainwarden.model import Ended, Identity, Outcome, Progress, RunSpec, RunState
from trainwarden.observe import output, verdict
from trainwarden.observe.record import GENERATION, Observed
from trainwarden.observe.training import is_same_work, read_command
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder, best_progress
from trainwarden.runs.members import Census, living
from trainwarden.runs.roll import Roll
from trainwarden.runs.usage import Meter
from trainwarden.supervise.generation import Generation
from trainwarden.supervise.kept import Kept
from trainwarden.supervise.watch import Now
from trainwarden.system import clock_ticks

LAST_OUTPUT = 1.0
"""Seconds after the end for which its last words may be on their way through a pipe."""
NOT_OURS = (
    "attached: it was started outside of trainwarden, which watches it and neither stops nor starts it; go on by hand"
)


class ObservedWatch:
    """One attached run, until its training is gone or the watch is ended."""

    def __init__(self, folder: RunFolder, spec: RunSpec, observed: Observed, now: Now) -> None:
        self._folder = folder
        self._spec = spec
        self._recipe = recipe_of(spec)
        self._training = observed.training
        self._myself = identity.myself()
        self._began = now.unix - now.monotonic + observed.training.start_time / clock_ticks()
        self._work = read_command(observed.training.pid)
        self._source = output.Source(folder, observed, output.save(folder))
        self._generation = Generation(folder, self._as_kept(), self._recipe)
        root = (observed.training.pid, observed.training.start_time)
        self._roll = Roll(Census(spec.run_id, known={root}, apart={self._myself.pid}), self._meter_before())
        self._gone_since: float | None = None
        self._last_words = ""
        self.ended: Ended | None = None

    def _as_kept(self) -> Kept:
        """What the follower of the output needs to know of a launch."""
        return Kept(
            keeper=self._myself,
            generation=GENERATION,
            training=self._training,
            argv=self._spec.command,
            started_at=self._began,
            exit=None,
            terminated_at=None,
        )

    def _meter_before(self) -> Meter:
        with suppress(RunFolderError):
            former = self._folder.read_state()
            if former is not None and former.run_id == self._spec.run_id:
                return Meter(former.cpu_seconds, former.io_bytes)
        return Meter()

    # --- looking ------------------------------------------------------------------------------------------
    def look(self, now: Now) -> None:
        """Read everything again, until it has ended."""
        if self.ended is not None:
            return
        self._source.carry(now.monotonic)
        self._generation.follow(now.unix)
        self._count(now)
        self._notice_end(now)

    def scan(self, now: Now) -> None:
        """Look through all of /proc for members, now."""
        self._roll.scan(now.monotonic)

    def _count(self, now: Now) -> None:
        if self._roll.scan_is_due(now.monotonic):
            self.scan(now)
        elif not self._roll.update(now.monotonic):
            return
        if self._source.is_lost(now.monotonic):
            output.withdraw(self._folder, now.unix)

    # --- the end ------------------------------------------------------------------------------------------
    def _notice_end(self, now: Now) -> None:
        """The end is that of the topmost process, and of what trains on behind it: a launcher may be killed alone."""
        root = self._training
        if identity.is_process(root.pid, root.start_time):
            self._gone_since = None
        elif (heir := self._heir()) is not None:
            self._training = heir
        elif self._gone_since is None:
            self._gone_since = now.monotonic
        elif now.monotonic - self._gone_since >= LAST_OUTPUT:
            self._end(now)

    def _heir(self) -> Identity | None:
        """The oldest member that runs the same script."""
        heirs = (m for m in living(self._roll.reread()) if is_same_work(self._work, read_command(m.pid)))
        return next((found for m in heirs if (found := identity.identify(m.pid)) is not None), None)

    def _end(self, now: Now) -> None:
        self._source.carry(now.monotonic)
        self._generation.finish(now.unix)
        words = self._generation.last_words()
        self.ended = verdict.judge(
            self._spec,
            self._recipe,
            self._progress(),
            named=self._generation.named_signal(),
            end=output.last_bytes(self._folder),
            began=self._began,
            at=now.unix,
        )
        self._last_words = "" if self.ended.outcome is Outcome.FINISHED else words
        self._let_go(now)

    def detach(self, now: Now) -> None:
        """End the watch, and leave the training alone."""
        if self.ended is None:
            self.ended = Ended(Outcome.STOPPED_BY_USER, now.unix, reason=verdict.DETACHED)
            self._let_go(now)

    def _let_go(self, now: Now) -> None:
        self.scan(now)
        self._source.close()
        self._generation.close()

    def _progress(self) -> Progress | None:
        with suppress(RunFolderError):
            return best_progress(self._folder.read_progress(), GENERATION)
        return None

    # --- what others ask ----------------------------------------------------------------------------------
    def state(self, now: Now) -> RunState:
        """All of it, as ``state.json`` holds it."""
        return RunState(
            run_id=self._spec.run_id,
            generation=GENERATION,
            open=self.ended is None,
            beat_at=now.unix,
            beat_monotonic=now.monotonic,
            started_at=self._began,
            supervisor=self._myself,
            training=self._training,
            **self._roll.facts(),
            resumed_from=self._generation.resumed,
            ended=self.ended,
            resumable=False,
            resumable_reason=NOT_OURS,
            last_words=self._last_words,
        )
