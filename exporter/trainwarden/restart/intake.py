"""Accept and dedupe: what becomes of one alert, before anybody looks at the run.

An alert only selects. Its name is looked up in ``names.RESTART_ALERTS`` and its run among the runs of this machine;
beyond these and the generation nothing that it says is used.
"""

from collections.abc import Callable
from typing import NamedTuple

from trainwarden.restart.desk import Desk
from trainwarden.restart.events import Accepted, AnyEvent, Joined, Moment, Resolved
from trainwarden.restart.history import History
from trainwarden.restart.states import UNDECIDED, Intake

About = tuple[str, str, int]
"""Alert, run and generation."""


class Notice(NamedTuple):
    """One restart alert of a known run, as a webhook brought it."""

    alert: str
    run: str
    generation: int
    firing: bool
    fingerprint: str
    starts_at: str

    @property
    def about(self) -> About:
        """What it speaks of, whether it says that this fires or that it is over."""
        return self.alert, self.run, self.generation


def take_in(desk: Desk, notice: Notice, now: Moment) -> Intake:
    """Judge one alert and enter it in the run's ledger where it opens or ends a case. Raises ``LedgerError``."""
    while True:
        seen = desk.history
        intake, event = judge(notice, seen, desk.generation)
        if event is None or desk.write(event, now, seen):
            return intake


def judge(notice: Notice, history: History, generation: Callable[[], int | None]) -> tuple[Intake, AnyEvent | None]:
    """What becomes of the alert, and what to enter.

    ``generation`` tells the one that is there now, if that is known; it is asked only where that matters, for it reads
    a file, and a storm of duplicates should cost none.
    """
    case = history.case
    if not notice.firing:
        asked = case is not None and case.generation == notice.generation and notice.alert in case.alerts
        return Intake.RESOLVED, Resolved(alert=notice.alert) if asked and history.state in UNDECIDED else None
    if _carried_out(notice, history):
        return Intake.DUPLICATE, None
    if _in_flight(notice, history):
        return Intake.DUPLICATE, Joined(alert=notice.alert) if _joins(notice, history) else None
    there = generation()
    if there is not None and notice.generation != there:
        return Intake.STALE, None
    accepted = Accepted(
        generation=notice.generation,
        alert=notice.alert,
        fingerprint=notice.fingerprint,
        starts_at=notice.starts_at,
    )
    return Intake.ACCEPTED, accepted


def _carried_out(notice: Notice, history: History) -> bool:
    """Whether this generation was followed by a launch of ours, or given up."""
    return history.gave_up is not None or any(launch.generation > notice.generation for launch in history.launches)


def _in_flight(notice: Notice, history: History) -> bool:
    """Whether a case is open for this generation, or so far on that no other may take its place."""
    case = history.case
    return case is not None and (case.generation == notice.generation or case.state not in UNDECIDED)


def _joins(notice: Notice, history: History) -> bool:
    """Whether it is a second alert of an undecided case: a run that hung and then died, say."""
    case = history.case
    undecided = case is not None and case.generation == notice.generation and case.state in UNDECIDED
    return undecided and case is not None and notice.alert not in case.alerts
