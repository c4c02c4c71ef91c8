"""The receiver's own ``/metrics``. What was done for a run is counted from its ledger, so it survives the receiver.

Every counter of a known run is there from the start: one that is born at 1 gives ``increase()`` nothing to see. Of the
28 reasons to call a human only those are told that were ever one: Prometheus reads each series at each evaluation.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator

from trainwarden import names, system
from trainwarden.restart.desk import Desk
from trainwarden.restart.desks import Desks
from trainwarden.restart.states import NEEDS_HUMAN, CallReason, HoldReason, Intake, RestartReason, State
from trainwarden.series import Samples, Series, build

_OF_THE_LEDGER = frozenset({CallReason.LEDGER_UNREADABLE, CallReason.LEDGER_UNWRITABLE})
"""What no ledger can tell whether it ever was."""


class Tally:
    """What has come in since this receiver began. May be counted up from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alerts = Counter(dict.fromkeys(Intake, 0))

    def alert(self, intake: Intake) -> None:
        """One more alert of which this became."""
        with self._lock:
            self._alerts[intake] += 1

    def collect(self) -> Iterator[Series]:
        """One family."""
        with self._lock:
            alerts = self._alerts.copy()
        yield build(names.ALERTS_RECEIVED, (([intake.value], count) for intake, count in alerts.items()))


class ReceiverMetrics:
    """Yields every family of ``names.RECEIVER_FAMILIES``."""

    def __init__(self, desks: Desks, tally: Tally) -> None:
        self._desks = desks
        self._tally = tally

    def collect(self) -> Iterator[Series]:
        """See which runs there are, and tell of each."""
        self._desks.refresh()
        desks, unreadable = self._desks.all(), self._desks.unreadable()
        yield from self._tally.collect()
        yield from _of_desks(desks)
        yield build(names.RESTART_STATE, [*_each(desks, _states), *_each_held(unreadable)])
        yield build(names.NEEDS_HUMAN, [*_each(desks, _calls), *_each_called(unreadable)])


def _of_desks(desks: list[Desk]) -> Iterator[Series]:
    totals = [(desk.spec.name, desk.history.totals) for desk in desks]
    restarts = (([run, r.value], total.restarts.get(r, 0)) for run, total in totals for r in RestartReason)
    holds = (([run, h.value], total.holds.get(h, 0)) for run, total in totals for h in HoldReason)
    yield build(names.RESTARTS, restarts)
    yield build(names.RECOVERIES, (([run], total.recoveries) for run, total in totals))
    yield build(names.RESTART_HOLDS, holds)
    yield build(names.STEPS_LOST, (([run], total.steps_lost) for run, total in totals))
    yield build(names.RESTART_GENERATION, (([desk.spec.name], desk.history.restart_generation) for desk in desks))
    yield build(names.RUN_ADAPTED, (sample for desk in desks for sample in _adapted(desk)))
    yield build(names.RESTART_HOLD, _each(desks, _hold))
    # Of the newest only: what is told of it names its launch, so that the next one is told as well.
    recoveries = [(desk.spec.name, r) for desk in desks if (r := desk.history.recovery) is not None]
    recovered = [([run, str(recovery.generation)], recovery) for run, recovery in recoveries]
    yield build(names.RECOVERY_TIME, ((labels, recovery.at) for labels, recovery in recovered))
    yield build(names.RECOVERY_STEP, ((labels, recovery.step) for labels, recovery in recovered))
    yield build(names.RECOVERY_STEPS_LOST, ((labels, recovery.steps_lost) for labels, recovery in recovered))
    yield build(names.RECOVERY_TIME_LOST, ((labels, recovery.seconds_lost) for labels, recovery in recovered))
    yield build(names.RESTART_BUDGET, (([desk.spec.name], _budget_left(desk)) for desk in desks))


def _adapted(desk: Desk) -> Samples:
    """One for each launch that stepped down: what it changed is short, and a person reads it in the notification."""
    taken = ((launch.generation, launch.step_down) for launch in desk.history.launches)
    return (
        ([desk.spec.name, str(generation), step_down.remedy, ", ".join(step_down.changes)], 1)
        for generation, step_down in taken
        if step_down is not None
    )


def _hold(desk: Desk) -> Samples:
    case = desk.history.case
    return [] if case is None or case.hold is None else [([desk.spec.name, case.hold.value], 1)]


def _budget_left(desk: Desk) -> int:
    return desk.history.budget_left(desk.spec.budget, desk.chooser.newest, system.monotonic())


def _states(desk: Desk) -> Samples:
    return (([desk.spec.name, state.value], state is desk.history.state) for state in State)


def _calls(desk: Desk) -> Samples:
    """A reason that was one stays, at 0: the rules look back over minutes, and would take its absence for a gap."""
    called = CallReason.LEDGER_UNWRITABLE if desk.unwritable else desk.history.needs_human
    ever = _OF_THE_LEDGER | desk.history.totals.called
    return (([desk.spec.name, reason.value], reason is called) for reason in NEEDS_HUMAN if reason in ever)


def _each_held(runs: list[str]) -> Samples:
    """A run whose ledger cannot be read is left alone."""
    return (([run, state.value], state is State.HELD) for run in runs for state in State)


def _each_called(runs: list[str]) -> Samples:
    """What it was called for before is not known, so every reason is told."""
    return (([run, reason.value], reason is CallReason.LEDGER_UNREADABLE) for run in runs for reason in NEEDS_HUMAN)


def _each(desks: list[Desk], tell: Callable[[Desk], Samples]) -> Samples:
    return (sample for desk in desks for sample in tell(desk))
