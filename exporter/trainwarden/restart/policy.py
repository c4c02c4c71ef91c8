"""Whether a run is restarted: a pure function of facts, history and time.

The rules are asked in the order of ``RULES``; the first that has something to say decides. Where none has, the run is
proved to be dead and a restart may cure it. Each names its reason, which reaches ledger, metrics and log.
"""

from collections.abc import Callable

from msgspec import Struct

from trainwarden.model import ErrorKind, Outcome, Phase
from trainwarden.restart.events import Moment
from trainwarden.restart.facts import Facts
from trainwarden.restart.history import History
from trainwarden.restart.states import GiveUpReason, HoldReason, RestartReason
from trainwarden.runs.ending import HAND_SIGNALS

CPU_IDLE_RATIO = 0.10
"""CPU seconds a second of a run that does nothing, at most: waiting threads still wake now and then."""
IO_IDLE_RATE = 4096.0
"""Bytes a second of a run that does nothing, at most: a progress bar redrawn, a log line."""
CHECKPOINT_ROOM = 1.5
"""Room for the next checkpoint, in sizes of the newest: its weights stand beside its state."""
SIGNS_NEEDED = 2
"""Signs of death, each from a source of its own."""
FRESH_SECONDS = 15.0
"""A reading may be so old when it decides: a scrape of a slow driver takes up to 10 s."""


class Restart(Struct, frozen=True):
    """Stop what is left of it, and launch the next generation."""

    reason: RestartReason


class Hold(Struct, frozen=True):
    """Leave it alone; where the reason is ``passing``, look again later."""

    reason: HoldReason
    passing: bool = False


class GiveUp(Struct, frozen=True):
    """Launch nothing, and call a human."""

    reason: GiveUpReason


Decision = Restart | Hold | GiveUp
Rule = Callable[[Facts, History, Moment], Decision | None]


def decide(facts: Facts, history: History, now: Moment) -> Decision:
    """What to do about a run, by the first rule that speaks."""
    lives = facts.outcome is None
    rules = (*OF_EVERY_RUN, *(OF_A_LIVING_RUN if lives else ()), *OF_A_DEAD_RUN)
    spoken = (rule(facts, history, now) for rule in rules)
    # A reaped exit status alone proves a crash; a hang is proved by every rule of a living run keeping silent.
    proved = Restart(RestartReason.HUNG if lives else RestartReason.CRASHED)
    decision = next((decision for decision in spoken if decision is not None), proved)
    acts = isinstance(decision, Restart) or (isinstance(decision, GiveUp) and not lives)
    return Hold(HoldReason.OBSERVE, passing=True) if acts and facts.observe else decision


def stale(seconds: float) -> Hold | None:
    """What was seen ``seconds`` ago says nothing about now: it is looked again before anything is stopped."""
    return Hold(HoldReason.STALE, passing=True) if seconds > FRESH_SECONDS else None


# --- nobody asked for help ----------------------------------------------------------------------------------


def rebooted(facts: Facts, _: History, __: Moment) -> Decision | None:
    """After a reboot nothing is left to resume in place: a human is called."""
    return Hold(HoldReason.REBOOTED) if facts.rebooted else None


def launched_anew(facts: Facts, _: History, __: Moment) -> Decision | None:
    """The generation that the case is about has been followed by another."""
    return Hold(HoldReason.ALIVE) if facts.superseded else None


def finished(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A finished run is never restarted."""
    return Hold(HoldReason.FINISHED) if facts.outcome is Outcome.FINISHED else None


def stopped_by_user(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Nor is one that somebody stopped: by our own verbs, or by a signal that the receiver did not send."""
    by_signal = facts.outcome is Outcome.CRASHED and facts.signal in HAND_SIGNALS
    by_verb = facts.outcome is Outcome.STOPPED_BY_USER or (facts.outcome is not None and facts.stop_by == "user")
    return Hold(HoldReason.STOPPED_BY_USER) if by_signal or by_verb else None


def paused(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Its user said so, and says when it is over."""
    return Hold(HoldReason.PAUSED, passing=True) if facts.paused else None


def attached_and_gone(facts: Facts, _: History, __: Moment) -> Decision | None:
    """What is only watched leaves nothing behind that could be resumed, or would have to answer first."""
    return GiveUp(GiveUpReason.ATTACHED) if facts.attached and facts.outcome is not None else None


def closed(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Nothing can be launched in a run that is over."""
    return None if facts.open else Hold(HoldReason.CLOSED)


# --- what only others can do --------------------------------------------------------------------------------


def wedged(facts: Facts, _: History, __: Moment) -> Decision | None:
    """What SIGKILL does not end holds GPU or disk: nothing may run beside it."""
    return GiveUp(GiveUpReason.WEDGED) if facts.wedged else None


def several_nodes(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Only its scheduler sees every machine of the run."""
    return Hold(HoldReason.SEVERAL_NODES) if facts.nodes > 1 and not facts.by_scheduler else None


# --- is a run that lives really dead? -----------------------------------------------------------------------


def supervisor_silent(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A dead follower beside an idle GPU is not a hang: the output is silent because nobody reads it."""
    return None if facts.supervisor_answers else Hold(HoldReason.SUPERVISOR_SILENT, passing=True)


def takes_steps(facts: Facts, _: History, __: Moment) -> Decision | None:
    """One new step, and the alert is not true."""
    return Hold(HoldReason.ALIVE) if facts.new_steps else None


def stopped_process(facts: Facts, _: History, __: Moment) -> Decision | None:
    """State T is Ctrl-Z or a debugger, and an engine pauses for who asks it to: somebody is at it."""
    return Hold(HoldReason.STOPPED_PROCESS, passing=True) if facts.stopped_members else None


def saving(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A save in progress may end first, within its grace."""
    saves = facts.saving_seconds is not None and facts.saving_seconds < facts.save_grace
    return Hold(HoldReason.SAVING, passing=True) if saves else None


def other_phase(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A long silence is normal in every phase but training (and a save has its own grace)."""
    silent = facts.phase not in (Phase.TRAINING, Phase.CHECKPOINTING)
    return Hold(HoldReason.PHASE, passing=True) if silent else None


def exporter_unreachable(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Without the exporter the GPU cannot be looked at."""
    unseen = not facts.exporter_answers
    return Hold(HoldReason.EXPORTER_UNREACHABLE, passing=True) if unseen else None


def gpu_silent(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A GPU that does not answer is not an idle one."""
    unread = bool(facts.gpus) and facts.gpu_ratio is None
    return Hold(HoldReason.GPU_SILENT, passing=True) if unread or not facts.driver_answers else None


def no_gpu(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Where the run's GPUs are unknown, or it has none, a hang cannot be proved."""
    return None if facts.gpus else Hold(HoldReason.NO_GPU)


def gpu_busy(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A GPU that works is a sign of life (or a spike of a desktop on the same card, which is over the next time)."""
    busy = facts.gpu_ratio is not None and facts.gpu_ratio > facts.idle_ratio
    return Hold(HoldReason.GPU_BUSY, passing=True) if busy else None


def busy(facts: Facts, _: History, __: Moment) -> Decision | None:
    """CPU time, reading, writing and heartbeats are signs of life."""
    computes = facts.cpu_ratio is not None and facts.cpu_ratio > CPU_IDLE_RATIO
    moves = facts.io_rate is not None and facts.io_rate > IO_IDLE_RATE
    return Hold(HoldReason.BUSY, passing=True) if (computes or moves or facts.new_heartbeat) else None


def too_few_signs(facts: Facts, _: History, __: Moment) -> Decision | None:
    """One silent source may be a fault of the source."""
    few = signs_of_death(facts) < SIGNS_NEEDED
    return Hold(HoldReason.TOO_FEW_SIGNS, passing=True) if few else None


def signs_of_death(facts: Facts) -> int:
    """How many sources say that nothing moves: the output, the GPU, and the CPU with reading and writing."""
    output = facts.new_steps == 0 and not facts.new_output and not facts.new_heartbeat
    gpu = facts.gpu_ratio is not None and facts.gpu_ratio <= facts.idle_ratio
    kernel = facts.cpu_ratio is not None and facts.io_rate is not None
    still = kernel and (facts.cpu_ratio or 0) <= CPU_IDLE_RATIO and (facts.io_rate or 0) <= IO_IDLE_RATE
    return sum((output, gpu, still))


# --- would a restart cure it? -------------------------------------------------------------------------------

INCURABLE = {
    ErrorKind.NAN_LOSS: GiveUpReason.NAN_LOSS,
    ErrorKind.ASSERTION: GiveUpReason.ASSERTION,
    ErrorKind.DISK_FULL: GiveUpReason.DISK_FULL,
}
"""Errors that the next generation would meet again."""


def incurable(facts: Facts, _: History, __: Moment) -> Decision | None:
    """A restart repeats these."""
    return next((GiveUp(reason) for kind, reason in INCURABLE.items() if kind.value in facts.new_errors), None)


def no_room(facts: Facts, _: History, __: Moment) -> Decision | None:
    """The next save would be cut short, and the run would die of it: first somebody makes room."""
    if facts.free_bytes is None or facts.checkpoint is None:
        return None
    short = facts.free_bytes < CHECKPOINT_ROOM * facts.checkpoint.size_bytes
    return Hold(HoldReason.NO_ROOM, passing=True) if short else None


def out_of_memory(facts: Facts, history: History, _: Moment) -> Decision | None:
    """The same settings need the same memory: one restart may be luck (a browser held the rest), a second is not."""
    last = history.last_death
    if last is None or not facts.shortage or facts.step_down is not None:
        return None
    again = last.shortage == facts.shortage and history.launches_since(facts.checkpoint) > 0
    return GiveUp(GiveUpReason.OUT_OF_MEMORY) if again else None


def attached(facts: Facts, _: History, __: Moment) -> Decision | None:
    """It was started by somebody else, who alone may stop it."""
    return GiveUp(GiveUpReason.ATTACHED) if facts.attached else None


def not_resumable(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Never a start from zero."""
    return None if facts.resumable else GiveUp(GiveUpReason.NOT_RESUMABLE)


def no_verified_checkpoint(facts: Facts, _: History, __: Moment) -> Decision | None:
    """Nor from a checkpoint that is not whole."""
    return GiveUp(GiveUpReason.NO_VERIFIED_CHECKPOINT) if facts.checkpoint is None else None


def same_error_twice(facts: Facts, history: History, _: Moment) -> Decision | None:
    """Two generations that died at the same step of the same error: the third would too."""
    last = history.last_death
    if last is None or history.case is None or last.generation >= history.case.generation or not facts.error:
        return None
    if facts.step_down is not None:
        return None  # the next generation has other settings
    same = (last.step, last.error) == (facts.step, facts.error)
    return GiveUp(GiveUpReason.SAME_ERROR_TWICE) if same else None


def budget_per_checkpoint(facts: Facts, history: History, _: Moment) -> Decision | None:
    """So many restarts and no new verified checkpoint: it gets nowhere."""
    spent = history.launches_since(facts.checkpoint) >= facts.budget.per_checkpoint
    return GiveUp(GiveUpReason.BUDGET_PER_CHECKPOINT) if spent else None


def budget_per_window(facts: Facts, history: History, now: Moment) -> Decision | None:
    """So many restarts in a day: something is wrong, though it gets on."""
    spent = history.launches_within(facts.budget.window, now.mono) >= facts.budget.per_window
    return GiveUp(GiveUpReason.BUDGET_PER_WINDOW) if spent else None


OF_EVERY_RUN: tuple[Rule, ...] = (
    rebooted,
    launched_anew,
    finished,
    stopped_by_user,
    paused,
    attached_and_gone,
    closed,
    wedged,
    several_nodes,
    supervisor_silent,
)
OF_A_LIVING_RUN: tuple[Rule, ...] = (
    takes_steps,
    stopped_process,
    saving,
    other_phase,
    exporter_unreachable,
    gpu_silent,
    no_gpu,
    gpu_busy,
    busy,
    too_few_signs,
)
OF_A_DEAD_RUN: tuple[Rule, ...] = (
    incurable,
    attached,
    not_resumable,
    no_verified_checkpoint,
    no_room,
    out_of_memory,
    same_error_twice,
    budget_per_checkpoint,
    budget_per_window,
)
RULES = (*OF_EVERY_RUN, *OF_A_LIVING_RUN, *OF_A_DEAD_RUN)
"""In the order in which they are asked. Those of a living run are passed over where an exit status was reaped."""
