"""The nouns that several rooms share: what a run folder holds, and how a run is spoken of.

The files of a run folder are JSON of these structures. Times are Unix seconds unless a name says otherwise;
durations are seconds; sizes are bytes. Unknown fields are ignored on reading, so that an older reader
understands a newer writer; the parts that a user writes (``Limits``, ``Budget``) forbid them.

Every ``msgspec.json.Decoder`` is made at import, and none by a thread: two threads that decode a structure for the
first time at once end the process with SIGSEGV (msgspec 0.22).
"""

from enum import Enum
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct, field

from trainwarden.launching import Launching

Seconds = Annotated[float, Meta(ge=0, extra={"unit": "seconds"})]
"""A duration. In ``trainwarden.yml`` also written as Prometheus does: ``90s``, ``30m``, ``1h30m``."""


UNDECODABLE = (MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not the structure that they should be: wrong, no UTF-8, nested too deep."""


class Phase(str, Enum):
    """What a run is doing. A long silence means something different in each."""

    STARTING = "starting"
    CACHING = "caching"
    TRAINING = "training"
    EVALUATING = "evaluating"
    CHECKPOINTING = "checkpointing"
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"

    @property
    def live(self) -> bool:
        """Whether a process of the run should exist in this phase."""
        return self not in (Phase.STOPPED, Phase.FAILED, Phase.FINISHED)


class Outcome(str, Enum):
    """How a generation ended."""

    FINISHED = "finished"
    """Exit status 0."""
    CRASHED = "crashed"
    """A non-zero exit, a signal nobody asked for, or a keeper that died with its training."""
    STOPPED_BY_USER = "stopped_by_user"
    """Ctrl-C, `trainwarden stop`, or SIGINT/SIGTERM from outside: never restarted."""
    STOPPED_FOR_RESTART = "stopped_for_restart"
    """The receiver had it stopped and means to launch the next generation."""


class ErrorKind(str, Enum):
    """What the output said went wrong (a closed list: it becomes a label)."""

    CUDA_OUT_OF_MEMORY = "cuda_out_of_memory"
    HOST_OUT_OF_MEMORY = "host_out_of_memory"
    CUDA_UNKNOWN = "cuda_unknown_error"
    """What the guide saw after more than 6 h with gradient checkpointing under WSL2 (guide §3)."""
    CUDA_LIBRARY = "cuda_library"
    """cuDNN, cuBLAS and their relatives."""
    CUDA_ERROR = "cuda_error"
    NCCL = "nccl"
    KILLED = "killed"
    BUS_ERROR = "bus_error"
    DATA_LOADER = "data_loader"
    """A worker of the data loader died."""
    DISK_FULL = "disk_full"
    NAN_LOSS = "nan_loss"
    ASSERTION = "assertion"
    EXCEPTION = "exception"


class Identity(Struct, frozen=True):
    """One process for ever: a pid alone is reused."""

    boot_id: str
    pid: int
    start_time: int
    """Field 22 of /proc/PID/stat, clock ticks after boot."""
    pid_namespace: int
    """Inode of the PID namespace in which ``pid`` was read."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every duration of a run's supervision and restart. All are settings; the tests scale them."""

    term_grace: Seconds = 30.0
    """From SIGTERM to SIGKILL."""
    kill_grace: Seconds = 30.0
    """From SIGKILL to the verdict that a member is wedged."""
    orphan_grace: Seconds = 10.0
    """How long a training whose launcher has ended may take to show that it goes on, by a step."""
    save_grace: Seconds = 300.0
    """How long a save in progress is waited for before stopping."""
    pause_after_stop: Seconds = 60.0
    """From the death of the last member to the next launch (guide §5)."""
    gpu_memory_timeout: Seconds = 600.0
    """How long the GPU memory gate is waited for before a human is called (it is then tried again)."""
    start_timeout: Seconds = 3600.0
    """From a launch to its first step: model load and caching included."""
    probation_timeout: Seconds = 1800.0
    """From the first step of a launch to ``probation_steps``."""
    await_restart: Seconds = 900.0
    """How long a crashed run stays open for the receiver before its exit code is returned."""
    look_apart: Seconds = 5.0
    """Least distance of the two samples of the second look (also at least the step limit and 3 medians)."""
    decide_again: Seconds = 60.0
    """How often a hold for a passing reason is decided again."""
    held_long: Seconds = 3600.0
    """How long an alert may stand beside a run that is left alone for passing reasons, before a human is called."""
    checkpoint_settle: Seconds = 5.0
    """A checkpoint younger than this may still be being written."""


class Budget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a run may be restarted before a human is called."""

    per_checkpoint: Annotated[int, Meta(ge=0)] = 3
    """Restarts since the last new verified checkpoint (guide §5: at most 3)."""
    per_window: Annotated[int, Meta(ge=0)] = 6
    window: Seconds = 86400.0
    probation_steps: Annotated[int, Meta(ge=1)] = 20
    """New steps that a launch must show before it counts as recovered."""


class ResumeTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``resume:`` of a run: what its trainer is to be told, and for the recipe ``torch`` what it writes."""

    arguments: list[str]
    """Put behind the command in place of earlier ones of the same names; ``{checkpoint}``, ``{epoch}`` and ``{step}``
    are filled in."""
    glob: str | None = None
    """How its checkpoints are named, as in ``ckpt-{step}.pt``; folders end in ``/``. Newest first by the numbers, where
    there are none by time."""
    complete: list[str] = field(default_factory=list)
    """The files of a whole folder, in the order in which they are written."""


class RunSpec(Struct, frozen=True, kw_only=True):
    """``run.json``: what the user asked for. The environment is not stored."""

    name: str
    run_id: str
    """A random id of this use of the name; the members carry it in TRAINWARDEN_RUN_ID."""
    command: list[str]
    cwd: str
    recipe: str
    """How checkpoints are read and a resume is asked for: a name in ``trainwarden.checkpoints.RECIPES``."""
    resume: ResumeTemplate | None = None
    """What the user declared of it; None where the recipe is to know."""
    checkpoints: str | None = None
    """The folder that the trainer writes to, absolute; None where none is known."""
    output_name: str | None = None
    """What the trainer's files begin with, where the folder holds those of several runs."""
    profile: str = "balanced"
    gpus: list[int] | None = None
    """Indices as the driver counts them; None: by CUDA_VISIBLE_DEVICES, else the machine's only one."""
    nodes: int = 1
    attached: bool = False
    """Watched and not owned: it was running before trainwarden came, and nothing here stops or starts it."""
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Overrides by signal and level."""
    limits: Limits = field(default_factory=Limits)
    budget: Budget = field(default_factory=Budget)
    gpu_baseline_bytes: dict[str, int] = field(default_factory=dict)
    """GPU memory in use by others just before the first launch, by GPU UUID: the memory gate measures against it."""
    settings: dict[str, float] = field(default_factory=dict)
    """The trainer's settings that the guide speaks of (§3), as the command said at the first launch; a switch is 0 or
    1."""
    found_at_launch: dict[str, str] = field(default_factory=dict)
    """Checkpoints that stood in the folder before the first launch, with signatures: while unchanged, not the run's.

    Without the one that the command itself resumes from.
    """
    files_at_launch: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the configuration files that the command names, by path as it names them."""
    launcher: Launching | None = None
    """The engine that launches it; None: its keeper does."""
    adapt: str = ""
    """``guide``: after an error for want of memory the next generation steps down by the guide's remedies."""
    created_at: float = 0.0
    declared: bool = False
    """Whether ``runs:`` in ``trainwarden.yml`` declares the run whole."""


class Resume(Struct, frozen=True):
    """From where a generation resumed."""

    checkpoint: str
    epoch: int | None
    """The last epoch that the checkpoint contains."""
    step: int | None
    """The last step that the checkpoint contains, where it is known."""


class Ended(Struct, frozen=True):
    """The end of a generation."""

    outcome: Outcome
    at: float
    exit_code: int | None = None
    """None where a signal or an unknown end took it."""
    signal: int | None = None
    reason: str = ""
    """One sentence."""
    for_memory: bool = False
    """Whether the kernel killed for want of memory while the generation ran, and SIGKILL was its end."""


class Member(Struct, frozen=True):
    """A process of the run."""

    pid: int
    start_time: int
    state: str
    """The kernel's letter: R, S, D (cannot be killed now), T (stopped), Z (dead, not reaped)."""


class StepDown(Struct, frozen=True):
    """The next of the guide's remedies (guide §2), as it would change a run's settings."""

    remedy: str
    """``memory A`` to ``vram C``."""
    changes: list[str]
    """As ``vae_batch_size: 2 → 1``."""
    risk: str = ""
    """What else it may do: one sentence, or empty."""


class RunState(Struct, frozen=True, kw_only=True):
    """``state.json``: the supervisor's own reading, replaced whole at every beat."""

    run_id: str
    generation: int
    open: bool
    """Whether a next generation may still be started. False: the run is over, for one reason or another."""
    beat_at: float
    beat_monotonic: float
    """``system.monotonic()`` at the beat."""
    started_at: float
    keeper: Identity | None = None
    supervisor: Identity | None = None
    training: Identity | None = None
    """The process that the keeper started; its members may be many more."""
    members_visible: bool = True
    """Whether its processes are this machine's: else nothing is known of members, CPU time and IO."""
    members: list[Member] = field(default_factory=list)
    rss_bytes: int = 0
    threads: int = 0
    cpu_seconds: float = 0.0
    """Of all members that live, and of those that have been reaped by them."""
    io_bytes: int = 0
    """Read and written by the members (storage and terminals)."""
    gpus: list[str] | None = None
    """The entries of the members' CUDA_VISIBLE_DEVICES (indices or UUIDs); None where it is not set."""
    resumed_from: Resume | None = None
    ended: Ended | None = None
    """None while the generation lives."""
    resumable: bool = True
    resumable_reason: str = ""
    """Why it is not, in one sentence with the mend."""
    last_words: str = ""
    """The last line of output that says what went wrong, once it ended."""
    stopping_since: float | None = None
    """When a stop was asked for that is not done yet."""
    stop_by: str = ""
    """Who asked for it: ``user`` or ``receiver``."""
    wedged: bool = False
    """A member is still there ``kill_grace`` after SIGKILL: nothing may be launched."""
    oom_kills_before: int | None = None
    """The kernel's count at the generation's begin: a SIGKILL beside a higher one was for want of memory."""
    remedies: list[str] = field(default_factory=list)
    """Of the guide, in force in this generation."""
    step_down: dict[str, StepDown] = field(default_factory=dict)
    """What the next generation would change, by problem (``memory``, ``vram``); empty unless ``adapt`` is set."""


class StepDurations(Struct, frozen=True):
    """A histogram that is accumulated where the steps are seen, and only read by the exporter."""

    counts: list[int]
    """Per bucket, not cumulative; one more than ``STEP_BUCKETS`` (the last is +Inf)."""
    sum: float
    """Seconds."""


STEP_BUCKETS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 60.0)
"""Upper bounds, seconds: fine about the guide's 2.5 s and 3 s."""


class Progress(Struct, frozen=True, kw_only=True):
    """``progress/<writer>-<rank>.json``: one file a writer, so that no writer overwrites another's."""

    writer: str
    """``output`` (the follower of the terminal) or ``heartbeat``."""
    rank: int = 0
    generation: int
    phase: Phase
    phase_since: float
    beat_at: float
    """When the writer last had something to read or to say."""
    step: int | None = None
    """Steps of the whole run: the checkpoint's step plus the trainer's own count where that restarts."""
    max_steps: int | None = None
    epoch: int | None = None
    max_epochs: int | None = None
    loss: float | None = None
    last_step_at: float | None = None
    steps_done: int = 0
    """Steps seen since this generation's launch."""
    durations: StepDurations | None = None
    median_step_seconds: float | None = None
    errors: dict[str, int] = field(default_factory=dict)
    """Counts by ErrorKind value, over all generations of the run."""
    last_error: str = ""
    """The newest line that held one, shortened; shown to people, never parsed."""
    saves: int = 0
    last_save_seconds: float | None = None
    """How long the last save held the training up."""
    nonfinite_losses: int = 0
    """Steps whose loss was NaN or infinite, over all generations."""
    framework: str = ""
    """``kohya``, ``hf``, ``lightning``, ``torch``: as the output shows; empty until it does."""
    batches_per_epoch: int | None = None
    accumulation: int | None = None
    """Batches of one step, where the trainer says so; with them the steps of one epoch are known."""
    counter: str | None = None
    """The bar that counts the steps, once it is known: ``steps`` in kohya's output, empty for a bar without a name."""
    count: int | None = None
    """What that bar last said; unlike ``step`` it begins at 0 where the trainer's count does."""
    position: int = 0
    """How far the writer has read its source, bytes: a new follower goes on from there (the end of a line)."""


class Verdict(str, Enum):
    """What reading a checkpoint said."""

    VALID = "valid"
    INVALID = "invalid"
    UNSETTLED = "unsettled"
    """Younger than ``checkpoint_settle`` or still growing: not yet."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """One checkpoint of a run as found on disk, and what verifying it said."""

    path: str
    """A file or a folder, absolute."""
    epoch: int | None = None
    step: int | None = None
    final: bool = False
    """Written at the end of the training: nothing is left to resume."""
    resumable: bool = True
    """Whether the recipe can go on from it exactly (weights alone are not)."""
    modified_at: float
    """Of the file written last."""
    size_bytes: int
    verdict: Verdict
    reason: str = ""
    """Why it is not valid: one sentence that names the file."""
    earlier: bool = False
    """It stood there before the run was first launched, so the run neither wrote it nor goes on from it."""
