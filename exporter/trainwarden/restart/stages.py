"""The stages of a restart, a function each. None of them waits: each looks, acts at most once, and says what is next.

A stage runs after its state was entered in the ledger, and returns the event to enter next, or None to be called again.
Acting twice must do no harm, for a receiver that was killed comes back to the stage that it was in. ``procedure``
holds them as one list.
"""

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.model import Outcome, RunState
from trainwarden.restart import bundle, evidence, gate, policy
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import (
    AnyEvent,
    Blocked,
    Captured,
    Chosen,
    Closed,
    Died,
    Freed,
    GaveUp,
    Held,
    Launched,
    Moment,
    Paused,
    Stopping,
)
from trainwarden.restart.facts import Facts
from trainwarden.restart.looking import why
from trainwarden.restart.records import Case
from trainwarden.restart.states import GiveUpReason, HoldReason, RestartReason
from trainwarden.runs.folder import best_progress

WRITTEN_TOLERANCE = 2.0
"""Seconds by which a network drive may set the time of a last write later than it first said."""
GATE_EVERY = 2.0
"""Seconds between two looks at GPU memory."""
UNREADABLE = "GPU memory cannot be read"
GIVE_UP_PATIENCE = 60.0
"""How long a supervisor that does not answer is asked to close the run, seconds."""


def capture(desk: Desk, _: Moment) -> AnyEvent | None:
    """Write down what shows why. That this cannot be done is no reason to leave the run dead."""
    case = desk.case
    facts = case.facts or Facts()
    # A run that is dead holds no GPU, and must not wait for an exporter that is slow.
    gpus = desk.tools.read_exporter(desk.spec.name) if facts.outcome is None else None
    try:
        folder = bundle.write(
            desk.folder,
            generation=case.generation,
            at=case.opened_at + case.since - case.opened,
            reason=_reason(case),
            facts=facts,
            gpus=gpus,
        )
    except OSError as error:
        return Captured(folder="", detail=f"{desk.folder.evidence_path}: {error.strerror or error}")
    return Captured(folder=str(folder))


def quiesce(desk: Desk, now: Moment) -> AnyEvent | None:
    """Let a save in progress end, within its grace; let go of a run that has come back meanwhile."""
    case, choice = desk.case, desk.chooser.look(now.wall)
    reading = desk.read(desk.tools.clock(), gpus=False)
    state = reading.state
    if state is None:
        return None
    void = _void(desk, state) or _came_back(case, reading) or _paused(desk)
    if void is not None or not reading.answered:
        return void
    grace = desk.spec.limits.save_grace
    best = best_progress(reading.progress, case.generation)
    saving = evidence.saving_seconds(best, choice.writing, now.wall)
    in_grace = saving is not None and saving < grace and now.mono - case.since < grace
    if state.ended is None and in_grace:
        return None
    return _stale(desk, state) or Stopping()


def stop(desk: Desk, now: Moment) -> AnyEvent | None:
    """Have every member stopped, and wait until none is there."""
    case, reading = desk.case, desk.read(now, gpus=False)
    state = reading.state
    if state is None:
        return None
    void = _void(desk, state)
    if void is not None or not reading.answered:
        return void
    if state.wedged:
        return GaveUp(reason=GiveUpReason.WEDGED, detail="wedged: a process is still there after SIGKILL")
    if evidence.is_dead(state):
        return Died(written_at=desk.chooser.look(now.wall).written_at)
    if state.stopping_since is None:
        # This receiver may have been dead for an hour between the entry in the ledger and this moment.
        void = _came_back(case, reading) or _paused(desk) or _stale(desk, state)
        if void is None:
            desk.launcher.stop(final=False, reason=f"restart: {_reason(case).value}")
        return void
    return None


def wait_for_memory(desk: Desk, now: Moment) -> AnyEvent | None:
    """Wait until the GPU memory gate passes: by the exporter, or where that is gone, by a throwaway child."""
    void = _void_before_launch(desk, desk.state())
    if void is not None or now.mono < desk.scratch.not_before:
        return void
    desk.scratch.not_before = now.mono + GATE_EVERY
    cards, why = _memory(desk)
    desk.waits_for(UNREADABLE if why is None else why)
    if why is None or why:
        return None
    return Freed(how=f"free on {', '.join(cards)}" if cards else "the run has no GPU")


def _memory(desk: Desk) -> tuple[list[str], str | None]:
    """The run's cards, and why they do not pass: empty where they do, None where that cannot be told (yet)."""
    facts, reading = desk.case.facts or Facts(), desk.tools.read_exporter(desk.spec.name)
    run_gpus = reading.run_gpus if reading is not None and reading.run_gpus is not None else facts.gpus
    cards = gate.wanted(desk.spec, run_gpus)
    seen = gate.from_exporter(reading) if cards else {}
    if seen is None:
        seen = desk.scratch.child.ask()
    return cards, None if seen is None else gate.blocked(desk.spec, cards, seen, facts.gpu_memory_used)


def pause(desk: Desk, now: Moment) -> AnyEvent | None:
    """The guide's minute between the death of the last member and the next launch; longer where its user pauses it."""
    case = desk.case
    void = _void_before_launch(desk, desk.state())
    if void is not None:
        return void
    died = case.died if case.died is not None else case.since
    return None if desk.paused or now.mono - died < desk.spec.limits.pause_after_stop else Paused()


def choose(desk: Desk, now: Moment) -> AnyEvent | None:
    """Choose the newest verified checkpoint, and say what was passed over and what will be written over."""
    case, choice = desk.case, desk.chooser.look(now.wall)
    if choice.writing and now.mono - case.since < desk.spec.limits.save_grace:
        return None  # nobody of the run lives, so what was written last has only to settle
    if choice.checkpoint is None:
        detail = why(GiveUpReason.NO_VERIFIED_CHECKPOINT, Facts(passed_over=choice.passed_over))
        return GaveUp(reason=GiveUpReason.NO_VERIFIED_CHECKPOINT, detail=detail)
    return Chosen(
        generation=case.generation + 1,
        checkpoint=choice.checkpoint,
        passed_over=choice.passed_over,
        overwrites=choice.overwrites,
        rotates=desk.chooser.rotates(choice),
        errors=evidence.error_totals(desk.folder.read_progress()),
        step_down=case.facts.step_down if case.facts is not None else None,
    )


def launch(desk: Desk, now: Moment) -> AnyEvent | None:
    """Launch the next generation, unless it is there already (the launch happened, and its record was lost)."""
    case, state = desk.case, desk.state()
    chosen = case.chosen
    if state is None or chosen is None:
        return None
    if state.run_id == desk.spec.run_id and state.generation >= chosen.generation:
        return _launched(case, chosen, state)
    void = _void_before_launch(desk, state) or _taken_over(desk, now)
    if void is not None:
        return void
    _, why = _memory(desk) if not desk.paused else ([], "its user has paused it")
    if why is None:
        desk.waits_for(UNREADABLE)
        return None
    return Blocked(why=why) if why else _start(desk, case, chosen)


def _start(desk: Desk, case: Case, chosen: Chosen) -> AnyEvent | None:
    try:
        remedy = chosen.step_down.remedy if chosen.step_down is not None else ""
        state = desk.launcher.start(chosen.checkpoint.path, chosen.generation, remedy)
        return _launched(case, chosen, state)
    except RefusedError as error:
        there = desk.state()
        if there is not None and there.generation >= chosen.generation:
            return None  # it was there in spite of the refusal: the next call says so
        return GaveUp(reason=GiveUpReason.LAUNCH_REFUSED, detail=f"launch_refused: {error}")


def _taken_over(desk: Desk, now: Moment) -> GaveUp | None:
    """Whether somebody else writes the run's checkpoints: the same command started by hand while we waited.

    Both times are the file system's own, so that no two clocks are compared.
    """
    before, after = desk.case.written_at, desk.chooser.look(now.wall).written_at
    if before is None or after is None or after <= before + WRITTEN_TOLERANCE:
        return None
    detail = "taken_over: a checkpoint was written after the last process of the run had died"
    return GaveUp(reason=GiveUpReason.TAKEN_OVER, detail=detail)


def _launched(case: Case, chosen: Chosen, state: RunState) -> Launched:
    resumed = state.resumed_from
    step = resumed.step if resumed is not None and resumed.step is not None else chosen.checkpoint.step
    return Launched(generation=chosen.generation, reason=_reason(case), checkpoint=chosen.checkpoint.path, step=step)


def give_up(desk: Desk, now: Moment) -> AnyEvent | None:
    """Close a run that is dead, so that `trainwarden run` returns with the last generation's exit code.

    One that hangs is left as it is: it may yet come back, or be looked into by the human who is called. One that we
    launched and that does not go on from its checkpoint is stopped: it would write over what was saved.
    """
    history, state = desk.history, desk.state()
    if history.gave_up is None or state is None or state.run_id != desk.spec.run_id or not state.open:
        return Closed()
    if state.ended is None and history.gave_up.reason is not GiveUpReason.NOT_RESUMED:
        return Closed(detail="what still lives of it was left as it is")
    try:
        desk.launcher.stop(final=True, reason=history.gave_up.detail)
    except TrainwardenError as error:
        return Closed(detail=str(error)) if now.mono - history.gave_up.mono > GIVE_UP_PATIENCE else None
    return Closed()


def _reason(case: Case) -> RestartReason:
    return case.reason or RestartReason.CRASHED


def _void(desk: Desk, state: RunState) -> Held | None:
    """Why the run is not ours to restart any more."""
    outcomes = {Outcome.FINISHED: HoldReason.FINISHED, Outcome.STOPPED_BY_USER: HoldReason.STOPPED_BY_USER}
    if state.training is not None and state.training.boot_id != desk.tools.boot_id:
        return Held(reason=HoldReason.REBOOTED, passing=False)
    if (state.run_id, state.generation) != (desk.spec.run_id, desk.case.generation):
        return Held(reason=HoldReason.ALIVE, passing=False)
    if state.ended is not None and state.ended.outcome in outcomes:
        return Held(reason=outcomes[state.ended.outcome], passing=False)
    if state.ended is not None and state.stop_by == "user":
        return Held(reason=HoldReason.STOPPED_BY_USER, passing=False)
    return None if state.open else Held(reason=HoldReason.CLOSED, passing=False)


def _void_before_launch(desk: Desk, state: RunState | None) -> AnyEvent | None:
    """The same after the stop; a member that has shown up again is stopped again."""
    if state is None:
        return None
    return _void(desk, state) or (None if evidence.is_dead(state) else Stopping())


def _paused(desk: Desk) -> Held | None:
    """Until something of it is stopped, the user may still say that it is to be left as it is."""
    return Held(reason=HoldReason.PAUSED, passing=True) if desk.paused else None


def _stale(desk: Desk, state: RunState) -> Held | None:
    """A run that lives is looked at again where it was decided about long ago."""
    late = policy.stale(desk.tools.clock().mono - desk.case.since)
    if late is None or state.ended is not None:
        return None
    return Held(reason=late.reason, passing=late.passing)


def _came_back(case: Case, reading: evidence.Reading) -> Held | None:
    """A run that has taken a step since it was decided about is let go."""
    state, facts = reading.state, case.facts
    if state is None or state.ended is not None or facts is None:
        return None
    step = evidence.last_step(state, best_progress(reading.progress, case.generation))
    return None if step == facts.step else Held(reason=HoldReason.ALIVE, passing=False)
