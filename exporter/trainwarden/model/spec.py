"""``run.json``: what the user asked for, and the limits that it stands under."""

from typing import Annotated

from msgspec import Meta, Struct, field

from trainwarden.launching import Launching
from trainwarden.model.words import Seconds


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
    """Checkpoints that stood in the folder before the first launch, with marks of their files.

    While one of the files is as it was, the checkpoint is not the run's. Without the one that the command resumes from.
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
