"""``progress/<writer>-<rank>.json``: where a run stands, by one of those who tell."""

from msgspec import Struct, field

from trainwarden.model.words import Phase, Whole


class StepDurations(Struct, frozen=True):
    """A histogram that is accumulated where the steps are seen, and only read by the exporter."""

    counts: list[Whole]
    """Per bucket, not cumulative; one more than ``STEP_BUCKETS`` (the last is +Inf)."""
    sum: float
    """Seconds."""


STEP_BUCKETS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5, 10.0, 20.0, 60.0)
"""Upper bounds, seconds: fine about the guide's 2.5 s and 3 s."""


class Progress(Struct, frozen=True, kw_only=True):
    """``progress/<writer>-<rank>.json``: one file a writer, so that no writer overwrites another's."""

    writer: str
    """``output`` (the follower of the terminal) or ``heartbeat``."""
    rank: Whole = 0
    generation: Whole
    phase: Phase
    phase_since: float
    beat_at: float
    """When the writer last had something to read or to say."""
    step: Whole | None = None
    """Steps of the whole run: the checkpoint's step plus the trainer's own count where that restarts."""
    max_steps: Whole | None = None
    epoch: Whole | None = None
    max_epochs: Whole | None = None
    loss: float | None = None
    last_step_at: float | None = None
    steps_done: Whole = 0
    """Steps seen since this generation's launch."""
    durations: StepDurations | None = None
    median_step_seconds: float | None = None
    errors: dict[str, Whole] = field(default_factory=dict)
    """Counts by ErrorKind value, over all generations of the run."""
    last_error: str = ""
    """The newest line that held one, shortened; shown to people, never parsed."""
    saves: Whole = 0
    last_save_seconds: float | None = None
    """How long the last save held the training up."""
    nonfinite_losses: Whole = 0
    """Steps whose loss was NaN or infinite, over all generations."""
    framework: str = ""
    """``kohya``, ``hf``, ``lightning``, ``torch``: as the output shows; empty until it does."""
    batches_per_epoch: Whole | None = None
    accumulation: Whole | None = None
    """Batches of one step, where the trainer says so; with them the steps of one epoch are known."""
    counter: str | None = None
    """The bar that counts the steps, once it is known: ``steps`` in kohya's output, empty for a bar without a name,
    ``inner`` for one below a bar over the epochs."""
    count: Whole | None = None
    """What that bar last said; unlike ``step`` it begins at 0 where the trainer's count does."""
    position: Whole = 0
    """How far the writer has read its source, bytes: a new follower goes on from there (the end of a line)."""
