"""The look before anything is done: readings, facts, the policy's decision, and a rehearsal of the launch."""

from trainwarden.errors import RefusedError
from trainwarden.restart import evidence, policy
from trainwarden.restart.choosing import Choice
from trainwarden.restart.desk import Desk
from trainwarden.restart.events import AnyEvent, Decided, GaveUp, Held, Moment
from trainwarden.restart.facts import Facts
from trainwarden.restart.policy import GiveUp, Hold, decide
from trainwarden.restart.states import GiveUpReason


def look_again(desk: Desk, now: Moment) -> AnyEvent | None:
    """Take two readings far enough apart (one of a run that is dead), and decide by them."""
    scratch = desk.scratch
    if now.mono < scratch.not_before:
        return None
    choice = desk.chooser.look(now.wall)  # before the reading, which is not to be old when a slow folder has answered
    reading = desk.read(desk.tools.clock(), gpus=True)
    first, scratch.first = scratch.first, None
    if first is not None and evidence.overlong(first, reading.at, scratch.not_before - first.at.mono):
        first = None
    dead = reading.state is not None and reading.state.ended is not None
    if not dead and first is None:
        _begin(desk, reading)
        return None
    late = policy.stale(desk.tools.clock().mono - reading.at.mono)
    if late is not None:
        return None
    return _decide(desk, gather(desk, choice, (first or reading, reading), desk.case.generation), now)


def _begin(desk: Desk, reading: evidence.Reading) -> None:
    """Keep the first reading, and wait for the second."""
    desk.scratch.first = reading
    desk.scratch.not_before = reading.at.mono + apart(desk, reading, desk.case.generation)


def apart(desk: Desk, reading: evidence.Reading, generation: int) -> float:
    """How far apart the two readings must be, seconds."""
    limit = desk.threshold("step_duration_seconds", "warning")
    return evidence.apart(desk.spec, reading.progress, generation, limit)


def gather(desk: Desk, choice: Choice, readings: tuple[evidence.Reading, evidence.Reading], generation: int) -> Facts:
    """What two readings (of a dead run: the same one twice) say about ``generation``."""
    return evidence.gather(
        desk.spec,
        readings,
        choice,
        generation=generation,
        base_errors=desk.error_base(generation),
        idle_ratio=desk.threshold("gpu_utilization_ratio", "idle"),
        boot_id=desk.tools.boot_id,
        paused=desk.paused,
        observe=desk.observe,
    )


def _decide(desk: Desk, facts: Facts, now: Moment) -> AnyEvent | None:
    """Ask the policy. The same hold once more is not entered again, or a night of it would fill the ledger."""
    decision = decide(facts, desk.history, now)
    if isinstance(decision, GiveUp):
        return GaveUp(reason=decision.reason, detail=why(decision.reason, facts), facts=facts)
    if not isinstance(decision, Hold):
        return _rehearsed(desk, facts) or Decided(reason=decision.reason, facts=facts)
    desk.scratch.not_before = now.mono + desk.spec.limits.decide_again
    if decision.passing and decision.reason is desk.case.hold:
        return None
    return Held(reason=decision.reason, passing=decision.passing, facts=facts)


def _rehearsed(desk: Desk, facts: Facts) -> GaveUp | None:
    """Whether the launch would be refused: then the run is not stopped in the first place."""
    assert facts.checkpoint is not None
    try:
        remedy = facts.step_down.remedy if facts.step_down is not None else ""
        desk.launcher.rehearse(facts.checkpoint.path, desk.case.generation + 1, remedy)
    except RefusedError as error:
        return GaveUp(reason=GiveUpReason.LAUNCH_REFUSED, detail=f"launch_refused: {error}", facts=facts)
    return None


def why(reason: GiveUpReason, facts: Facts) -> str:
    """One sentence for the human."""
    words = {
        GiveUpReason.NOT_RESUMABLE: facts.resumable_reason,
        GiveUpReason.ATTACHED: "it was started outside of trainwarden, which only watches it",
        GiveUpReason.NO_VERIFIED_CHECKPOINT: "; ".join(facts.passed_over) or "no checkpoint was ever written",
        GiveUpReason.OUT_OF_MEMORY: f"{facts.shortage} ran out again, and no remedy is left to take: {facts.error}",
        GiveUpReason.SAME_ERROR_TWICE: f"died twice at step {facts.step}: {facts.error}",
        GiveUpReason.BUDGET_PER_CHECKPOINT: f"{facts.budget.per_checkpoint} restarts and no new verified checkpoint",
        GiveUpReason.BUDGET_PER_WINDOW: f"{facts.budget.per_window} restarts in {facts.budget.window:g} s",
        GiveUpReason.WEDGED: "a process is still there after SIGKILL",
    }
    return f"{reason.value}: {words.get(reason) or facts.error}"
