"""The states of a run's restart, and every reason that a decision can have. Imports nothing: everything leans on it.

The figure, and what to do about each reason, stand in ``docs/states.md``; a test holds the two together.
"""

from enum import Enum


class State(str, Enum):
    """Where the restart of a run stands; exported as a state set. Each is entered in the ledger before it acts."""

    WATCHING = "watching"
    """No case is open. The run trains, has ended, or has never given cause."""

    LOOKING = "looking"
    """An alert selected the run, or a launch died in probation. Two readings are taken, far enough apart, and nothing
    is touched."""

    HELD = "held"
    """Decided not to act now, for a reason that will pass: looked at again on its own timer, until the reason is gone,
    the alert is resolved, or the run is seen to live."""

    CAPTURING = "capturing"
    """Decided to restart. What shows why is written into the run folder before anything of it ends."""

    QUIESCING = "quiescing"
    """About to stop. A save in progress may end first; a run that steps again is let go."""

    STOPPING = "stopping"
    """Every member is asked to stop: SIGTERM, grace, SIGKILL. Left only when none is there any more."""

    WAITING_FOR_MEMORY = "waiting_for_memory"
    """Nobody of the run lives. The GPU memory gate has to pass: what the run held is free again."""

    PAUSING = "pausing"
    """The pause of the guide between the death of the last member and the next launch; and for as long as the user has
    it left alone."""

    CHOOSING = "choosing"
    """The newest verified checkpoint is looked for. None: given up, never a start from zero."""

    LAUNCHING = "launching"
    """The next generation is asked for. Before every attempt it is looked whether it exists already."""

    PROBATION = "probation"
    """The new generation lives and has to prove itself by new steps. Its death is decided at once."""

    GIVING_UP = "giving_up"
    """The receiver cannot help. A run that is dead is closed, so that `trainwarden run` returns; one that hangs is left
    as it is. A human is called."""

    GAVE_UP = "gave_up"
    """Nothing more is done. A human is called until the run is started anew."""


UNDECIDED = (State.LOOKING, State.HELD)
"""States in which nothing has been decided: a resolved alert ends them, and one of a newer generation replaces them."""


class RestartReason(str, Enum):
    """Why a run is restarted."""

    HUNG = "hung"
    """Two signs of death from different sources, and none of life."""
    CRASHED = "crashed"
    """Its exit status was reaped, and nobody asked for its end."""


class HoldReason(str, Enum):
    """Why a run is left alone. What passes is decided again; what does not closes the case."""

    FINISHED = "finished"
    """It ended with exit status 0."""
    STOPPED_BY_USER = "stopped_by_user"
    """Ctrl-C, `trainwarden stop`, or SIGINT, SIGTERM or SIGHUP that the receiver did not send."""
    CLOSED = "closed"
    """The run was closed, and not by its user: nobody restarted it in time. A human is called."""
    PAUSED = "paused"
    """`trainwarden pause`: the user wants it left alone. Passes with `trainwarden resume`."""
    OBSERVE = "observe"
    """It would be restarted, and the configuration says to decide and not to act. A human is called. Passes."""
    ALIVE = "alive"
    """It takes steps (again), or was launched anew: the alert is not true, or not any more."""
    BUSY = "busy"
    """No step, but it works: CPU time, reading, writing, or a heartbeat. Passes."""
    GPU_BUSY = "gpu_busy"
    """No step, but one of its GPUs works. Passes."""
    SAVING = "saving"
    """A checkpoint is being written. Passes, and is waited for at most ``save_grace``."""
    PHASE = "phase"
    """It is in a phase in which a long silence is normal (starting, caching, evaluating). Passes."""
    STOPPED_PROCESS = "stopped_process"
    """A member is in state T (Ctrl-Z or a debugger), or its container or job is paused: somebody is at it. Passes."""
    SUPERVISOR_SILENT = "supervisor_silent"
    """The run's supervisor does not answer or its reading is old, so a silent output proves nothing. Passes."""
    EXPORTER_UNREACHABLE = "exporter_unreachable"
    """The exporter does not answer, so the GPU cannot be looked at. Passes."""
    GPU_SILENT = "gpu_silent"
    """The exporter has no fresh reading of the run's GPUs. Passes."""
    CHECKPOINTS_SILENT = "checkpoints_silent"
    """The run's checkpoint folder does not answer or cannot be read. Passes."""
    NO_ROOM = "no_room"
    """The next checkpoint would not fit on the disk: the resumed run would cut it short. A human is called. Passes."""
    NO_GPU = "no_gpu"
    """The run's GPUs are unknown, or it has none: a hang cannot be proved."""
    STALE = "stale"
    """What was seen is too old to act by: the machine slept, or a folder or the supervisor was slow. Passes."""
    TOO_FEW_SIGNS = "too_few_signs"
    """Fewer than two signs of death. Passes."""
    SEVERAL_NODES = "several_nodes"
    """The run spans several machines: only its scheduler may restart it. A human is called."""
    REBOOTED = "rebooted"
    """The machine was restarted since the run was launched. A human is called."""


class GiveUpReason(str, Enum):
    """Why the receiver cannot help: nothing is launched, and a human is called."""

    NAN_LOSS = "nan_loss"
    """The loss became NaN: a resumed run would do the same, or go on from spoiled weights."""
    ASSERTION = "assertion"
    """An assertion failed: a mistake in configuration or code, which a restart repeats."""
    DISK_FULL = "disk_full"
    """No space is left: the next save would be cut short too."""
    OUT_OF_MEMORY = "out_of_memory"
    """Two generations in a row ran out of the same memory without getting further, and no remedy is left to take."""
    NOT_RESUMABLE = "not_resumable"
    """The run saves nothing that it could go on from exactly."""
    ATTACHED = "attached"
    """It was started outside of trainwarden, which only watches it."""
    NO_VERIFIED_CHECKPOINT = "no_verified_checkpoint"
    """No checkpoint is whole: a launch would start from zero."""
    SAME_ERROR_TWICE = "same_error_twice"
    """Two generations died at the same step of the same error."""
    BUDGET_PER_CHECKPOINT = "budget_per_checkpoint"
    """Restarted too often without a new verified checkpoint."""
    BUDGET_PER_WINDOW = "budget_per_window"
    """Restarted too often within the window (24 h by default)."""
    WEDGED = "wedged"
    """A member is still there after SIGKILL: the driver or a disk holds it, and nothing may be launched beside it."""
    LAUNCH_REFUSED = "launch_refused"
    """The supervisor refused to launch, with its reason in the ledger."""
    TRAINED_NOTHING = "trained_nothing"
    """The new generation ended with exit status 0 and without one new step."""
    NOT_RESUMED = "not_resumed"
    """The new generation trains an epoch that its checkpoint already holds: it did not resume, so it is stopped before
    it writes over what was saved."""
    TAKEN_OVER = "taken_over"
    """A checkpoint was written after the last process of the run had died: somebody trains in its folder."""


class CallReason(str, Enum):
    """Why a human is called while the receiver goes on trying."""

    GPU_MEMORY = "gpu_memory"
    """GPU memory is still held ``gpu_memory_timeout`` after the stop."""
    SUPERVISOR_UNREACHABLE = "supervisor_unreachable"
    """The run's supervisor does not carry out a stop or a launch."""
    NO_NEW_STEPS = "no_new_steps"
    """The new generation lives, but is late with its first steps."""
    CHECKPOINTS_UNREADABLE = "checkpoints_unreadable"
    """The run's checkpoint folder does not answer, or cannot be read, for long."""
    HELD_LONG = "held_long"
    """An alert stands, and the run has been left alone for a passing reason for ``held_long``."""
    STAGE_FAILS = "stage_fails"
    """The receiver meets an error again and again, so that it gets no further."""
    LEDGER_UNREADABLE = "ledger_unreadable"
    """The run's ledger is damaged, so what was done cannot be known: nothing is done."""
    LEDGER_UNWRITABLE = "ledger_unwritable"
    """The run's ledger cannot be written, so nothing may be done."""


CALLS_HUMAN = frozenset(
    {HoldReason.SEVERAL_NODES, HoldReason.REBOOTED, HoldReason.CLOSED, HoldReason.OBSERVE, HoldReason.NO_ROOM}
)
"""The holds that a human has to end."""

NEEDS_HUMAN = (*GiveUpReason, *CallReason, *(reason for reason in HoldReason if reason in CALLS_HUMAN))
"""Every reason in the label ``reason`` of ``trainwarden_run_needs_human``."""


class Intake(str, Enum):
    """What became of one alert of a webhook: the label ``outcome`` of ``trainwarden_alerts_received_total``."""

    ACCEPTED = "accepted"
    """Entered in the ledger: the run will be looked at."""
    DUPLICATE = "duplicate"
    """An intent for this generation is in flight, or was carried out."""
    STALE = "stale"
    """It speaks of another generation than the one that is there."""
    RESOLVED = "resolved"
    """It is over, says the sender. Ends a look or a hold; never means recovered."""
    IGNORED = "ignored"
    """Not an alert that restarts: it only tells people."""
    FOREIGN = "foreign"
    """Of a run that this machine does not know."""
    MALFORMED = "malformed"
    """A restart alert without a generation."""
    HELD = "held"
    """The run's ledger is unreadable: a human is called, and nothing is done."""
