"""``state.json``: the supervisor's own reading of a run."""

from msgspec import Struct, field

from trainwarden.model.words import Identity, Outcome, Whole


class Resume(Struct, frozen=True):
    """From where a generation resumed."""

    checkpoint: str
    epoch: Whole | None
    """The last epoch that the checkpoint contains."""
    step: Whole | None
    """The last step that the checkpoint contains, where it is known."""


class Ended(Struct, frozen=True):
    """The end of a generation."""

    outcome: Outcome
    at: float
    exit_code: Whole | None = None
    """None where a signal or an unknown end took it."""
    signal: Whole | None = None
    reason: str = ""
    """One sentence."""
    for_memory: bool = False
    """Whether the kernel killed for want of memory while the generation ran, and SIGKILL was its end."""


class Member(Struct, frozen=True):
    """A process of the run."""

    pid: Whole
    start_time: Whole
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
    generation: Whole
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
    suspended: bool = False
    """Whether its engine holds it still, as somebody wanted: its processes cannot move, and none of them shows it."""
    members: list[Member] = field(default_factory=list)
    rss_bytes: Whole = 0
    threads: Whole = 0
    cpu_seconds: float = 0.0
    """Of all members that live, and of those that have been reaped by them."""
    io_bytes: Whole = 0
    """Read and written by the members (storage and terminals)."""
    gpus: list[str] | None = None
    """The entries of the members' CUDA_VISIBLE_DEVICES (indices or UUIDs); None where it is not set."""
    gpus_by_bus: bool = False
    """Whether the indices among them are the driver's: CUDA_DEVICE_ORDER=PCI_BUS_ID stands beside each."""
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
    oom_kills_before: Whole | None = None
    """The kernel's count at the generation's begin: a SIGKILL beside a higher one was for want of memory."""
    remedies: list[str] = field(default_factory=list)
    """Of the guide, in force in this generation."""
    step_down: dict[str, StepDown] = field(default_factory=dict)
    """What the next generation would change, by problem (``memory``, ``vram``); empty unless ``adapt`` is set."""
