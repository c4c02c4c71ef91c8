"""What a look at a run found: the only thing, beside history and time, that the policy decides by.

Frozen and self-contained (the run's own limits and budget are in it), so that a recorded case can be decided again.
Every field has the value of a run of which nothing is known against it, so an older ledger is read by a newer receiver.
"""

from msgspec import Struct, field

from trainwarden.model import Budget, Checkpoint, Outcome, Phase, StepDown


class Facts(Struct, frozen=True, kw_only=True):
    """One look: two readings for a run that lives, one for a run that is dead."""

    # --- what the run is
    superseded: bool = False
    """Another generation is there than the one that the case is about."""
    rebooted: bool = False
    """The run was launched in another boot of the machine."""
    open: bool = True
    """Whether a next generation may be launched."""
    stop_by: str = ""
    """Who asked for its end: ``user``, ``receiver``, or nobody."""
    paused: bool = False
    """Whether the user wants it left alone (``trainwarden pause``)."""
    observe: bool = False
    """Whether the configuration says to decide and not to act."""
    attached: bool = False
    """Whether the run is only watched: trainwarden did not start it, and neither stops nor starts it."""
    nodes: int = 1
    by_scheduler: bool = False
    """Whether a scheduler launches it, which sees all of its nodes."""
    resumable: bool = True
    resumable_reason: str = ""

    # --- how it ended, where it did
    outcome: Outcome | None = None
    """None while the generation lives."""
    signal: int | None = None
    wedged: bool = False
    error: str = ""
    """What it died of, freed of numbers that change: two generations with the same died of the same."""
    step: int | None = None
    """The last step seen of this generation; where it took none, the step that it resumed from."""
    new_errors: list[str] = field(default_factory=list)
    """Kinds (``ErrorKind``) that this generation's output named."""

    # --- what the two readings of a live run say
    supervisor_answers: bool = True
    """And its own reading is fresh."""
    stopped_members: int = 0
    """Members in state T; 1 where their engine holds them all still."""
    phase: Phase | None = None
    saving_seconds: float | None = None
    """For how long a checkpoint has been in writing; None where none is."""
    new_steps: int | None = None
    """Between the readings; None where nothing follows the run's steps."""
    new_output: bool = False
    """Whether anything was printed between the readings."""
    new_heartbeat: bool = False
    cpu_ratio: float | None = None
    """CPU seconds of all members a second between the readings; None where it was not measured."""
    io_rate: float | None = None
    """Bytes a second that the members read and wrote."""
    exporter_answers: bool = True
    driver_answers: bool = True
    """Whether the exporter could read the GPUs."""
    gpus: list[str] | None = None
    """UUIDs of the run's GPUs; None where they are unknown."""
    gpus_in_doubt: bool = False
    """Whether they are unknown because its members name them by numbers that may not be the driver's."""
    gpu_ratio: float | None = None
    """The highest utilisation of any of them in either reading; None where one is missing or old."""
    gpu_memory_used: dict[str, int] = field(default_factory=dict)
    """By UUID, bytes, while the run still lived: what the memory gate may expect back."""

    # --- what it was short of, where it was
    shortage: str = ""
    """``vram``, ``memory`` (both as in guide §2), or empty."""
    step_down: StepDown | None = None
    """What the next generation would change against it, where the user asked for that and a remedy is left."""

    # --- what a restart would go on from
    checkpoint: Checkpoint | None = None
    """The newest verified one."""
    passed_over: list[str] = field(default_factory=list)
    """Why not a newer one, a sentence each."""

    free_bytes: int | None = None
    """Room on the checkpoints' file system; None where it is not told."""

    # --- what the user allows
    idle_ratio: float = 0.05
    """GPU utilisation of a hung run, at most (guide §1)."""
    save_grace: float = 300.0
    budget: Budget = field(default_factory=Budget)
