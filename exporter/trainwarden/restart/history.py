"""What the ledger's lines add up to: the open case, what was launched, and what it all came to. Pure.

``History.after(event)`` is the only way in which it changes, so replaying the ledger always gives the same history
as living through it. What it is made of stands in ``restart/records.py``.
"""

from collections.abc import Callable, Iterable
from functools import reduce

from msgspec import Struct, field
from msgspec.structs import replace

from trainwarden.model import Budget, Checkpoint
from trainwarden.restart import events
from trainwarden.restart.events import AnyEvent
from trainwarden.restart.records import Case, Death, Launch, Probation, Recovery, Totals
from trainwarden.restart.states import CALLS_HUMAN, UNDECIDED, CallReason, GiveUpReason, HoldReason, State


class History(Struct, frozen=True, kw_only=True):
    """What the receiver has done for one run."""

    run_id: str
    case: Case | None = None
    probation: Probation | None = None
    launches: tuple[Launch, ...] = ()
    last_death: Death | None = None
    died_at_step: int | None = None
    """The last step known at a death whose loss is not counted yet."""
    gave_up: events.GaveUp | None = None
    closed: bool = False
    """Whether nothing more is done for the run that was given up."""
    human_hold: HoldReason | None = None
    recovery: Recovery | None = None
    totals: Totals = field(default_factory=Totals)

    @property
    def state(self) -> State:
        """Where the restart stands."""
        if self.gave_up is not None:
            return State.GAVE_UP if self.closed else State.GIVING_UP
        if self.case is not None:
            return self.case.state
        return State.PROBATION if self.probation is not None else State.WATCHING

    @property
    def needs_human(self) -> GiveUpReason | CallReason | HoldReason | None:
        """Why a human is called, if one is."""
        if self.gave_up is not None:
            return self.gave_up.reason
        watched = self.case or self.probation
        return (watched.called if watched is not None else None) or self.human_hold

    @property
    def restart_generation(self) -> int | None:
        """The launch that the newest restart makes, or made; None where no restart was ever decided."""
        if self.case is not None and self.case.state not in UNDECIDED:
            return self.case.generation + 1
        return self.launches[-1].generation if self.launches else None

    def launches_since(self, checkpoint: Checkpoint | None) -> int:
        """How many launches in a row found no checkpoint newer than ``checkpoint``: none of them got any further."""
        written = checkpoint.modified_at if checkpoint is not None else float("-inf")
        return sum(launch.checkpoint.modified_at >= written for launch in self.launches)

    def launches_within(self, seconds: float, now: float) -> int:
        """How many launches there were in the last ``seconds``; ``now`` in seconds since boot."""
        return sum(now - launch.at < seconds for launch in self.launches)

    def budget_left(self, budget: Budget, checkpoint: Checkpoint | None, now: float) -> int:
        """Restarts left before a human is called."""
        left = budget.per_checkpoint - self.launches_since(checkpoint)
        return max(0, min(left, budget.per_window - self.launches_within(budget.window, now)))

    def after(self, event: AnyEvent) -> "History":
        """The history with one more event."""
        counted = replace(self, totals=_count(self.totals, event))
        change = _CHANGES.get(type(event))
        return counted if change is None or event.run_id != self.run_id else change(counted, event)


def replay(lines: Iterable[AnyEvent], run_id: str) -> History:
    """The history of the run ``run_id``; of earlier runs of its name only the totals remain."""
    return reduce(History.after, lines, History(run_id=run_id))


_Change = Callable[[History, AnyEvent], History]


def _accepted(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Accepted)
    case = Case(
        generation=event.generation,
        alert=event.alert,
        alerts=frozenset((event.alert,)),
        state=State.LOOKING,
        since=event.mono,
        opened_at=event.at,
        opened=event.mono,
    )
    # An alert may be wrong about a launch that still has to prove itself; the receiver's own watch saw it die.
    return replace(history, case=case, probation=history.probation if event.alert else None)


def _joined(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Joined)
    case = history.case
    return history if case is None else replace(history, case=replace(case, alerts=case.alerts | {event.alert}))


def _resolved(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Resolved)
    case = history.case
    left = case.alerts - {event.alert} if case is not None and event.alert else frozenset()
    if case is not None and left:
        return replace(history, case=replace(case, alerts=left))
    return replace(history, case=None, human_hold=None)


def _held(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Held)
    reason = event.reason
    human = reason if reason in CALLS_HUMAN else None
    if history.case is None:
        return replace(history, probation=None, human_hold=human)
    if not event.passing:
        return replace(history, case=None, human_hold=human)
    held = replace(history.case, state=State.HELD, since=event.mono, hold=reason, called=None)
    return replace(history, case=held, human_hold=human)


def _decided(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Decided)
    return _enter(history, event, State.CAPTURING, reason=event.reason, facts=event.facts)


def _captured(history: History, event: AnyEvent) -> History:
    return _enter(history, event, State.QUIESCING)


def _stopping(history: History, event: AnyEvent) -> History:
    death = history.last_death
    if history.case is not None and history.case.facts is not None:
        facts = history.case.facts
        death = Death(generation=history.case.generation, step=facts.step, error=facts.error, shortage=facts.shortage)
    step = death.step if death is not None and death.step is not None else history.died_at_step
    stopping = _enter(history, event, State.STOPPING)
    return replace(stopping, probation=None, last_death=death, died_at_step=step)


def _died(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Died)
    return _enter(history, event, State.WAITING_FOR_MEMORY, died=event.mono, written_at=event.written_at)


def _blocked(history: History, event: AnyEvent) -> History:
    return _enter(history, event, State.WAITING_FOR_MEMORY)


def _freed(history: History, event: AnyEvent) -> History:
    return _enter(history, event, State.PAUSING)


def _paused(history: History, event: AnyEvent) -> History:
    return _enter(history, event, State.CHOOSING)


def _chosen(history: History, event: AnyEvent) -> History:
    return _enter(history, event, State.LAUNCHING, chosen=event)


def _launched(history: History, event: AnyEvent) -> History:
    case = history.case
    if not isinstance(event, events.Launched) or case is None or case.chosen is None:
        return history
    chosen = case.chosen
    launch = Launch(
        generation=event.generation,
        at=event.mono,
        checkpoint=chosen.checkpoint,
        errors=chosen.errors,
        step_down=chosen.step_down,
    )
    probation = Probation(generation=event.generation, since=event.mono, case=case, step=event.step)
    launches = (*history.launches, launch)
    return replace(history, case=None, probation=probation, launches=launches, human_hold=None)


def _recovered(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Recovered)
    recovery = Recovery(
        generation=event.generation,
        at=event.at,
        step=event.step,
        steps_lost=event.steps_lost,
        seconds_lost=event.seconds_lost,
    )
    return replace(history, probation=None, died_at_step=None, recovery=recovery)


def _called(history: History, event: AnyEvent) -> History:
    assert isinstance(event, events.Called)
    reason = event.reason
    if history.case is not None:
        return replace(history, case=replace(history.case, called=reason))
    probation = history.probation and replace(history.probation, called=reason)
    return replace(history, probation=probation)


def _gave_up(history: History, event: AnyEvent) -> History:
    return replace(history, gave_up=event, closed=False, case=None, probation=None)


def _closed(history: History, event: AnyEvent) -> History:  # noqa: ARG001
    return replace(history, closed=True)


_CHANGES: dict[type[events.Event], _Change] = {
    events.Accepted: _accepted,
    events.Joined: _joined,
    events.Resolved: _resolved,
    events.Held: _held,
    events.Decided: _decided,
    events.Captured: _captured,
    events.Stopping: _stopping,
    events.Died: _died,
    events.Freed: _freed,
    events.Blocked: _blocked,
    events.Paused: _paused,
    events.Chosen: _chosen,
    events.Launched: _launched,
    events.Recovered: _recovered,
    events.Called: _called,
    events.GaveUp: _gave_up,
    events.Closed: _closed,
}


def _enter(history: History, event: AnyEvent, state: State, **changes: object) -> History:
    """Move the open case on. Where none is open (the file was put together by hand), nothing happens."""
    if history.case is None:
        return history
    case = replace(history.case, state=state, since=event.mono, hold=None, called=None, **changes)
    return replace(history, case=case)


def _count(totals: Totals, event: AnyEvent) -> Totals:
    """The totals with one more event."""
    if isinstance(event, events.Held):
        holds = {**totals.holds, event.reason: totals.holds.get(event.reason, 0) + 1}
        return replace(totals, holds=holds, called=totals.called | (CALLS_HUMAN & {event.reason}))
    if isinstance(event, events.Called | events.GaveUp):
        return replace(totals, called=totals.called | {event.reason})
    if isinstance(event, events.Launched):
        restarts = {**totals.restarts, event.reason: totals.restarts.get(event.reason, 0) + 1}
        return replace(totals, restarts=restarts)
    if isinstance(event, events.Accepted):
        return replace(totals, steps_lost=totals.steps_lost + event.steps_lost)
    if isinstance(event, events.Recovered):
        lost = totals.steps_lost + event.steps_lost
        return replace(totals, recoveries=totals.recoveries + 1, steps_lost=lost)
    return totals
