"""A restart from the webhook to the first new steps, as one visible list of stages.

Accepting and dropping duplicates happens in the webhook's thread (``intake``); everything else here. ``tick`` drives
one run as far as it can go without waiting. Where a run stands is read off the ledger, so a receiver that was killed
at any point goes on from there.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from trainwarden.errors import TrainwardenError
from trainwarden.restart import probation, stages
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import AnyEvent, Called, Moment
from trainwarden.restart.states import CallReason, State

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds beyond what a stage may normally take before a human is called."""


class Stage(NamedTuple):
    """One stage."""

    run: Callable[[Desk, Moment], AnyEvent | None]
    """Looks, acts at most once, and returns what to enter in the ledger next; None: call again."""
    until: Callable[[Desk], float] | None = None
    """When it is overdue, in seconds since boot; None: it may take for ever."""
    call: CallReason = CallReason.SUPERVISOR_UNREACHABLE
    """Why a human is then called. The receiver goes on trying."""


def _since(desk: Desk) -> float:
    return desk.history.case.since if desk.history.case is not None else float("inf")


STAGES: dict[State, Stage] = {
    State.LOOKING: Stage(stages.look_again),
    State.HELD: Stage(stages.look_again),
    State.QUIESCING: Stage(stages.quiesce, lambda d: _since(d) + d.spec.limits.save_grace + PATIENCE),
    State.STOPPING: Stage(
        stages.stop, lambda d: _since(d) + d.spec.limits.term_grace + d.spec.limits.kill_grace + PATIENCE
    ),
    State.WAITING_FOR_MEMORY: Stage(
        stages.wait_for_memory, lambda d: _since(d) + d.spec.limits.gpu_memory_timeout, CallReason.GPU_MEMORY
    ),
    State.PAUSING: Stage(stages.pause),
    State.CHOOSING: Stage(stages.choose),
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
    except TrainwardenError as error:
        desk.waits_for(str(error))
        return None


def _call(desk: Desk, stage: Stage, now: Moment) -> Called | None:
    """Call a human, once, where the stage is overdue."""
    watched = desk.history.case or desk.history.probation
    if stage.until is None or watched is None or watched.called is not None or now.mono < stage.until(desk):
        return None
    log.warning("run '%s': %s: %s", desk.spec.name, stage.call.value, desk.scratch.waiting_for)
    return Called(reason=stage.call, detail=desk.scratch.waiting_for)
