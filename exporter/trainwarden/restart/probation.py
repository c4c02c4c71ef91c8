"""The last stage: a launch has to prove itself by new steps, and its death is decided at once.

The receiver watches by its own reading: one continuous alert would never come anew for the next generation.
"""

from trainwarden.checkpoints import recipe_of
from trainwarden.model import Outcome, Progress, RunSpec, RunState
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import Accepted, AnyEvent, GaveUp, Held, Moment, Recovered
from trainwarden.restart.records import Probation
from trainwarden.restart.states import GiveUpReason, HoldReason
from trainwarden.runs.folder import best_progress

LAST_WORDS_SECONDS = 5.0
"""After the end of a generation its output may still be read: only then is it said that it trained nothing."""


def watch(desk: Desk, now: Moment) -> AnyEvent | None:
    """See whether the new generation takes its steps, has ended, or is no longer the one that is there."""
    probation = desk.history.probation
    state = desk.state()
    if probation is None or state is None:
        return None
    if state.training is not None and state.training.boot_id != desk.tools.boot_id:
        return Held(reason=HoldReason.REBOOTED, passing=False)
    if (state.run_id, state.generation) != (desk.spec.run_id, probation.generation):
        return Held(reason=HoldReason.ALIVE, passing=False)
    progress = best_progress(desk.folder.read_progress(), probation.generation)
    if state.ended is not None:
        return _ended(desk, probation, progress, state, now)
    _note_first_step(desk, progress, now)
    repeats = _repeats(desk.spec, state, progress)
    if proved(probation, progress, desk.spec.budget.probation_steps) and not repeats:
        return _recovered(desk, probation, progress, now)
    return GaveUp(reason=GiveUpReason.NOT_RESUMED, detail=f"not_resumed: {repeats}") if repeats else None


def proved(probation: Probation, progress: Progress | None, wanted: int) -> bool:
    """Whether the generation took ``wanted`` steps, and beyond the checkpoint: from zero would not count."""
    if progress is None or progress.steps_done < wanted:
        return False
    return probation.step is None or progress.step is None or progress.step > probation.step


def _repeats(spec: RunSpec, state: RunState, progress: Progress | None) -> str:
    """That it trains an epoch that its checkpoint holds: the trainer ignored what it was told to go on from.

    Empty where it does not; nor where it may only number its epochs from 0.
    """
    resumed, epoch = state.resumed_from, progress.epoch if progress is not None else None
    if resumed is None or resumed.epoch is None or epoch is None:
        return ""
    held = resumed.epoch if recipe_of(spec).epochs_agree else resumed.epoch - 1
    return f"the new generation trains epoch {epoch}, which its checkpoint already holds" if epoch <= held else ""


def limit(desk: Desk) -> float:
    """Until when the steps are waited for before a human is called, in seconds since boot."""
    probation, limits = desk.history.probation, desk.spec.limits
    first = desk.scratch.first_step_at
    if first is not None:
        return first + limits.probation_timeout
    return (probation.since if probation is not None else 0.0) + limits.start_timeout


def _note_first_step(desk: Desk, progress: Progress | None, now: Moment) -> None:
    if desk.scratch.first_step_at is None and progress is not None and progress.steps_done > 0:
        desk.scratch.first_step_at = now.mono


def _ended(
    desk: Desk, probation: Probation, progress: Progress | None, state: RunState, now: Moment
) -> AnyEvent | None:
    assert state.ended is not None
    outcome = state.ended.outcome
    if outcome is Outcome.STOPPED_BY_USER:
        return Held(reason=HoldReason.STOPPED_BY_USER, passing=False)
    if outcome is not Outcome.FINISHED:
        return Accepted(generation=probation.generation, alert="", steps_lost=_steps_lost(desk, probation, progress))
    if proved(probation, progress, wanted=1):
        return _recovered(desk, probation, progress, now)
    if now.wall - state.ended.at < LAST_WORDS_SECONDS:
        return None
    detail = "trained_nothing: the new generation ended with exit status 0 and without a new step"
    return GaveUp(reason=GiveUpReason.TRAINED_NOTHING, detail=detail)


def _recovered(desk: Desk, probation: Probation, progress: Progress | None, now: Moment) -> Recovered:
    return Recovered(
        generation=probation.generation,
        step=_resumed_at(probation, progress),
        new_steps=progress.steps_done if progress is not None else 0,
        steps_lost=_steps_lost(desk, probation, progress),
        seconds_lost=now.mono - probation.case.opened,
    )


def _steps_lost(desk: Desk, probation: Probation, progress: Progress | None) -> int:
    """Between where the former generation died and where this one resumed; 0 where either is not known (yet)."""
    resumed, died = _resumed_at(probation, progress), desk.history.died_at_step
    return 0 if resumed is None or died is None else max(0, died - resumed)


def _resumed_at(probation: Probation, progress: Progress | None) -> int | None:
    """The step from which this generation goes on: by its own count, else as its checkpoint was said to hold."""
    if progress is not None and progress.step is not None and progress.steps_done > 0:
        return progress.step - progress.steps_done
    return probation.step
