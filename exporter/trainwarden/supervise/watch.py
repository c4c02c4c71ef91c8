"""What the supervisor knows of its run, and what follows from it: members, a stop, the end, the closing.

No sockets and no clock: the loop hands in the time, and calls ``look`` once a second and more.
"""

from contextlib import suppress
from typing import NamedTuple

from trainwarden import system
from trainwarden.checkpoints import recipe_of
from trainwarden.errors import RunFolderError
from trainwarden.model import Ended, Outcome, Progress, Resume, RunSpec, RunState
from trainwarden.runs import identity
from trainwarden.runs.cgroups import Cgroup
from trainwarden.runs.ending import HAND_SIGNALS, classify
from trainwarden.runs.folder import RunFolder, best_progress
from trainwarden.runs.members import Census, living
from trainwarden.runs.roll import Roll
from trainwarden.runs.usage import Meter
from trainwarden.supervise import stepping
from trainwarden.supervise.arrivals import Arrivals
from trainwarden.supervise.generation import Generation
from trainwarden.supervise.kept import Exit, Kept, KeptFile
from trainwarden.supervise.orphan import Orphan
from trainwarden.supervise.resumable import problem
from trainwarden.supervise.stopping import StopProcedure


class Now(NamedTuple):
    """One moment by both clocks."""

    unix: float
    """For what is written down."""
    monotonic: float
    """``system.monotonic()``, for what is waited for."""


class RunWatch:
    """One run, from one generation to the next, until it is over."""

    def __init__(
        self, folder: RunFolder, spec: RunSpec, kept: Kept, now: Now, arrivals: Arrivals | None = None
    ) -> None:
        self._folder = folder
        self._arrivals = arrivals
        self._record = KeptFile(folder)
        self._spec = spec
        self._recipe = recipe_of(spec)
        self._problem = problem(spec)
        self._myself = identity.myself()
        self.keeper_lives = True
        self.visible = True
        """Whether the members are processes of this machine."""
        self.suspended = False
        """Whether their engine holds them still."""
        self._begin(kept, self._former_state(kept), now)

    # --- a generation begins ------------------------------------------------------------------------------
    def _former_state(self, kept: Kept) -> RunState | None:
        """What a former supervisor wrote about this very generation."""
        try:
            found = self._folder.read_state()
        except RunFolderError:
            return None
        same = found is not None and (found.run_id, found.generation) == (self._spec.run_id, kept.generation)
        return found if same else None

    def launched(self, kept: Kept, resumed: Resume | None, now: Now) -> None:
        """The next generation lives, resumed from there (None: as its command says)."""
        self._generation.close()
        self.keeper_lives = True
        self._begin(kept, None, now, resumed)

    def _begin(self, kept: Kept, former: RunState | None, now: Now, resumed: Resume | None = None) -> None:
        self.kept = kept
        resumed = resumed or (former.resumed_from if former else None)
        self._generation = Generation(self._folder, kept, self._recipe, resumed, self._arrivals)
        self._roll = Roll(
            Census(self._spec.run_id, apart={self._myself.pid, kept.keeper.pid}),
            Meter(former.cpu_seconds, former.io_bytes) if former else Meter(),
        )
        self._owned: Cgroup | None = None
        self._own_cgroup()
        self._orphan: Orphan | None = None
        self._stop: StopProcedure | None = None
        self._stopping_since: float | None = None
        self._stop_by = former.stop_by if former else ""
        self._final = False
        self._wedged = False
        self.ended: Ended | None = former.ended if former else None
        self._last_words = former.last_words if former else ""
        self._oom_kills_before = former.oom_kills_before if former else system.oom_kills()
        self._remedies = stepping.taken(kept.argv)
        self._step_down = stepping.steps_down(self._spec, kept.argv)
        self._heard_at = now.monotonic
        self._closed = former is not None and not former.open
        if former is not None and former.stopping_since is not None:
            self._begin_stop(now, former.stopping_since)

    # --- looking ------------------------------------------------------------------------------------------
    def look(self, now: Now) -> None:
        """Read everything again, and go on with what is under way."""
        self._read_record(now)
        if self.ended is None:
            self._generation.follow(now.unix)
        self._count(now)
        if self._stop is not None:
            self._carry_on_stop(self._stop, now)
        if self.ended is None:
            self._notice_end(now)
        if self.ended is not None:
            self._after_end(now)

    def scan(self, now: Now) -> None:
        """Look through all of /proc for members, now."""
        # An engine's supervisor keeps the record itself, and its children are no members.
        keeper_pid = self.kept.keeper.pid if self.keeper_lives and not self.kept.handle else None
        self._roll.scan(now.monotonic, self.kept.training, keeper_pid)

    def _own_cgroup(self) -> None:
        """Count by the launch's own control group as soon as it is known. Of an earlier boot, its path says nothing."""
        kept = self.kept
        if kept.cgroup is not None and kept.cgroup != self._owned and kept.keeper.boot_id == self._myself.boot_id:
            self._owned = kept.cgroup
            self._roll.own(kept.cgroup, () if kept.wrapper is None else {kept.wrapper.pid})

    def _read_record(self, now: Now) -> None:
        with suppress(RunFolderError):
            found = self._record.read()
            if found is not None and found.generation > self.kept.generation:  # a launch that came late
                self.launched(found, None, now)
            elif found is not None and found.generation == self.kept.generation:
                self.kept = found
                self._own_cgroup()
        if self.kept.terminated_at is not None and self._stop_by != "user":
            self.stop(by="user", final=True, now=now)

    def _count(self, now: Now) -> None:
        if self._stop is not None or self._roll.scan_is_due(now.monotonic):
            self.scan(now)
        else:
            self._roll.update(now.monotonic)

    # --- stopping -----------------------------------------------------------------------------------------
    def stop(self, *, by: str, final: bool, now: Now) -> None:
        """Stop every member. The user's wish outranks the receiver's; on a dead generation it only closes the run."""
        self._final = self._final or final or by == "user"
        if by == "user" or (self.ended is None and self._stop_by != "user"):
            self._stop_by = by
        if self._stop is None:
            self._begin_stop(now, now.unix)

    def _begin_stop(self, now: Now, since: float) -> None:
        self._stop = StopProcedure(self._spec.limits, now.monotonic)
        self._stopping_since = since

    def _carry_on_stop(self, stop: StopProcedure, now: Now) -> None:
        alive = living(self._roll.members)
        stop.carry_on(alive, now.monotonic)
        self._wedged = stop.wedged(alive, now.monotonic)
        if not alive and self.ended is not None:
            self._stop = self._stopping_since = None

    # --- the end ------------------------------------------------------------------------------------------
    def _notice_end(self, now: Now) -> None:
        exited = self.kept.exit
        if exited is not None and not self._goes_on(exited, now):
            self._end(exited.code, exited.signal, exited.at, now)
        elif exited is None and not self.keeper_lives:
            self._clear_after_keeper(now)

    def _goes_on(self, exited: Exit, now: Now) -> bool:
        """Whether only the launcher is gone. Nobody asks where somebody wanted an end, or it came to its own."""
        if exited.code == 0 or exited.signal in HAND_SIGNALS or self._stop is not None:
            return False
        told, limits = self._told(), self._spec.limits
        if self._orphan is None:
            self.scan(now)
            grace, patience = limits.orphan_grace, limits.start_timeout
            self._orphan = Orphan(grace, patience, told, self._roll.usage, now.monotonic)
        return self._orphan.goes_on(told, self._roll.usage, bool(living(self._roll.members)), now.monotonic)

    def _told(self) -> Progress:
        """Where it stands, by its heartbeat where it has one: what torchrun's workers print may stand elsewhere."""
        with suppress(RunFolderError):
            best = best_progress(self._folder.read_progress(), self._generation.number)
            if best is not None:
                return best
        return self._generation.progress()

    def _clear_after_keeper(self, now: Now) -> None:
        """The terminal is gone, and mostly the training with it: whoever is left must not train on unseen."""
        if self._stop is None:
            self._begin_stop(now, now.unix)
            self.scan(now)
        if not living(self._roll.members):
            self._end(None, None, now.unix, now)

    def _end(self, code: int | None, signum: int | None, at: float, now: Now) -> None:
        self._generation.finish(now.unix)
        self.ended = classify(
            exit_code=code,
            signal=signum,
            at=at,
            stop_by=self._stop_by,
            keeper_died=code is None and signum is None,
            named_signal=self._generation.named_signal(),
            oom_killed=(system.oom_kills() or 0) > (self._oom_kills_before or 0),
        )
        if self.ended.outcome is not Outcome.FINISHED:
            self._last_words = self._generation.last_words()
        self._heard_at = now.monotonic
        self.scan(now)

    def _after_end(self, now: Now) -> None:
        """What a training leaves behind when it ends badly (an orphan that trains on, say) is stopped, too."""
        if self._stop is None and not self._finished and living(self._roll.members):
            self._begin_stop(now, now.unix)
        if self._stop is None and self._nobody_will_start(now):
            self._closed = True

    @property
    def _finished(self) -> bool:
        return self.ended is not None and self.ended.outcome is Outcome.FINISHED

    def _nobody_will_start(self, now: Now) -> bool:
        ended_for_good = self.ended is not None and self.ended.outcome in (Outcome.FINISHED, Outcome.STOPPED_BY_USER)
        waited = now.monotonic - self._heard_at >= self._spec.limits.await_restart
        return ended_for_good or self._final or waited

    @property
    def calm(self) -> bool:
        """Whether nothing is under way: the training runs, nobody stops it, and all that it printed has been read."""
        return self.ended is None and self._stop is None and self.keeper_lives and self._generation.caught_up

    def stopping_for(self, now: Now) -> float | None:
        """For how long a stop has been under way, seconds; None where none is."""
        return None if self._stop is None else now.monotonic - self._stop.began

    # --- what others ask ----------------------------------------------------------------------------------
    @property
    def closed(self) -> bool:
        """Whether the run is over."""
        return self._closed

    def heard_receiver(self, now: Now) -> None:
        """The receiver is at it: a crashed run stays open for it."""
        self._heard_at = now.monotonic

    def state(self, now: Now) -> RunState:
        """All of it, as ``state.json`` holds it."""
        return RunState(
            run_id=self._spec.run_id,
            generation=self._generation.number,
            open=not self._closed,
            beat_at=now.unix,
            beat_monotonic=now.monotonic,
            started_at=self._generation.started_at,
            keeper=self.kept.keeper,
            supervisor=self._myself,
            training=self.kept.training,
            members_visible=self.visible,
            suspended=self.suspended,
            **self._roll.facts(),
            resumed_from=self._generation.resumed,
            ended=self.ended,
            resumable=not self._problem,
            resumable_reason=self._problem,
            last_words=self._last_words,
            stopping_since=self._stopping_since,
            stop_by=self._stop_by,
            wedged=self._wedged,
            oom_kills_before=self._oom_kills_before,
            remedies=self._remedies,
            step_down=self._step_down,
        )
