"""A restart from the webhook to the first new steps, as one visible list of stages.

Accepting and dropping duplicates happens in the webhook's thread (``intake``); everything else here. ``tick`` drives
one run as far as it can go without waiting. Where a run stands is read off the ledger, so a receiver that was killed
at any point goes on from there.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from trainwarden.errors import TrainwardenError
from trainwarden.restart import looking, probation, stages
from trainwarden.restart.choosing import FolderError
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import AnyEvent, Called, Held, Moment
from trainwarden.restart.records import Case
from trainwarden.restart.states import UNDECIDED, CallReason, HoldReason, State

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds beyond what a stage may normally take before a human is called."""
LONG_PATIENCE = 600.0
"""For how long at most what cannot be reached or read is tried again before a human is called, seconds."""


class Stage(NamedTuple):
    """One stage."""

    run: Callable[[Desk, Moment], AnyEvent | None]
    """Looks, acts at most once, and returns what to enter in the ledger next; None: call again."""
    until: Callable[[Desk], float] | None = None
    """When it is overdue, in seconds since boot; None: it may take for ever."""
    call: CallReason = CallReason.SUPERVISOR_UNREACHABLE
    """Why a human is then called. The receiver goes on trying."""


CALLS_OF_HOLDS = {
    HoldReason.CHECKPOINTS_SILENT: CallReason.CHECKPOINTS_UNREADABLE,
    HoldReason.SUPERVISOR_SILENT: CallReason.SUPERVISOR_UNREACHABLE,
}
"""Holds that mean that something is broken, and why a human is called where they last."""


def _since(desk: Desk) -> float:
    return desk.history.case.since if desk.history.case is not None else float("inf")


def _patience(desk: Desk) -> float:
    """What must pass by itself has this long, seconds: a crashed run is closed by its supervisor soon after."""
    return min(LONG_PATIENCE, 2 * desk.spec.limits.await_restart)


STAGES: dict[State, Stage] = {
    State.LOOKING: Stage(looking.look_again),
    State.HELD: Stage(looking.look_again),
    State.CAPTURING: Stage(stages.capture, lambda d: _since(d) + PATIENCE, CallReason.STAGE_FAILS),
    State.QUIESCING: Stage(stages.quiesce, lambda d: _since(d) + d.spec.limits.save_grace + PATIENCE),
    State.STOPPING: Stage(
        stages.stop, lambda d: _since(d) + d.spec.limits.term_grace + d.spec.limits.kill_grace + PATIENCE
    ),
    State.WAITING_FOR_MEMORY: Stage(
        stages.wait_for_memory, lambda d: _since(d) + d.spec.limits.gpu_memory_timeout, CallReason.GPU_MEMORY
    ),
    State.PAUSING: Stage(stages.pause),
    State.CHOOSING: Stage(
        stages.choose, lambda d: _since(d) + d.spec.limits.save_grace + PATIENCE, CallReason.CHECKPOINTS_UNREADABLE
    ),
    State.LAUNCHING: Stage(stages.launch, lambda d: _since(d) + PATIENCE),
    State.PROBATION: Stage(probation.watch, probation.limit, CallReason.NO_NEW_STEPS),
    State.GIVING_UP: Stage(stages.give_up),
}
"""In the order in which a restart goes through them. The states that are not here have nothing to do."""


def tick(desk: Desk, now: Moment) -> None:
    """Drive one run as far as it can go at ``now``. Raises ``LedgerError`` where a step cannot be entered."""
    for _ in STAGES:
        stage = STAGES.get(desk.history.state)
        if stage is None or not _step(desk, stage, now):
            return


def _step(desk: Desk, stage: Stage, now: Moment) -> bool:
    """Run the stage once and enter what it says. Whether there may be more to do at once."""
    seen = desk.history
    event = _run(desk, stage, now) or _call(desk, stage, now)
    if event is not None:
        desk.write(event, now, seen)
    return event is not None


def _run(desk: Desk, stage: Stage, now: Moment) -> AnyEvent | None:
    """What the stage says; a launcher or a file that does not answer is asked again at the next tick."""
    try:
        return stage.run(desk, now)
    except FolderError as error:
        desk.waits_for(str(error))
        return _hold(desk, now)
    except TrainwardenError as error:
        desk.waits_for(str(error))
        _note_failure(desk, now)
        return None
    except Exception as error:
        desk.waits_for(f"{type(error).__name__}: {error}")
        _note_failure(desk, now)
        called = _call(desk, stage, now)
        if called is None:
            raise
        return called


def _note_failure(desk: Desk, now: Moment) -> None:
    """A stage may get through its first half in between, so only a longer peace ends a row of failures."""
    scratch = desk.scratch
    if scratch.failing_since is None or not _fails_still(desk, now):
        scratch.failing_since = now.mono
    scratch.failed_at = now.mono


def _fails_still(desk: Desk, now: Moment) -> bool:
    return now.mono - desk.scratch.failed_at <= 3 * desk.spec.limits.decide_again


def _hold(desk: Desk, now: Moment) -> Held | None:
    """Without its checkpoints nothing is decided about a run. What was decided before waits for them."""
    case, scratch = desk.history.case, desk.scratch
    if case is None or case.state not in UNDECIDED:
        _note_failure(desk, now)
        return None
    scratch.first, scratch.not_before = None, now.mono + desk.spec.limits.decide_again
    silent = HoldReason.CHECKPOINTS_SILENT
    return None if case.hold is silent else Held(reason=silent, passing=True)


def _call(desk: Desk, stage: Stage, now: Moment) -> Called | None:
    """Call a human, once, where the stage is overdue."""
    watched = desk.history.case or desk.history.probation
    if watched is None or watched.called is not None:
        return None
    reason = _overdue(desk, stage, now)
    if reason is None:
        return None
    log.warning("run '%s': %s: %s", desk.spec.name, reason.value, desk.scratch.waiting_for)
    return Called(reason=reason, detail=desk.scratch.waiting_for)


def _overdue(desk: Desk, stage: Stage, now: Moment) -> CallReason | None:
    """Why a human has to be called by now, if one has."""
    if stage.until is not None and now.mono >= stage.until(desk):
        return stage.call
    failing, case = desk.scratch.failing_since, desk.history.case
    if failing is not None and _fails_still(desk, now) and now.mono - failing >= _patience(desk):
        return CallReason.STAGE_FAILS
    return _held_too_long(desk, case, now) if case is not None and case.hold is not None else None


def _held_too_long(desk: Desk, case: Case, now: Moment) -> CallReason | None:
    call = CALLS_OF_HOLDS.get(case.hold) if case.hold is not None else None
    if call is not None and now.mono - case.since >= _patience(desk):
        return call
    # Holds may follow each other; what counts is how long the alert has stood and nothing was done.
    quiet = case.hold is HoldReason.PAUSED or now.mono - case.opened < desk.spec.limits.held_long
    return None if quiet else CallReason.HELD_LONG
