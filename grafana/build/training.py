"""What a run does: where it is, how fast it steps, and what it has saved."""

from trainwarden import names

from . import queries as ask
from . import story
from .panels import (
    DANGER,
    GOOD,
    NOTE,
    PLAIN,
    QUIET,
    WARNING,
    Face,
    Panel,
    Query,
    bars,
    limit,
    lines,
    phrase,
    state,
    timeline,
    value,
    word,
)

NO_RUN = "no such run"


def now() -> list[Panel]:
    """What the run does at this moment, and did since the evening."""
    step, most = ask.run(names.RUN_STEP), ask.run(names.RUN_MAX_STEPS)
    return [
        state(
            Face(101, "Phase", "What the run says it is doing.", "none", NO_RUN, 3, 4),
            Query(ask.numbered(names.RUN_PHASE, "phase", story.PHASES), "phase"),
            story.SHOWN,
        ),
        word(
            Face(102, "Generation", "Which launch of the run this is; 1 was never restarted.", "none", NO_RUN, 3, 4),
            Query(ask.generation(), "{{generation}}"),
        ),
        bars(
            Face(103, "Progress", "Steps taken of all that the run is to take.", "percentunit", NO_RUN, 3, 4),
            Query(ask.share(step, most), "taken", GOOD),
            whole=1,
        ),
        value(
            Face(104, "Step", "The run's step; it goes back to the checkpoint's at a resume.", "locale", NO_RUN, 4, 4),
            Query(step, "step"),
            Query(most, "of", QUIET),
        ),
        value(
            Face(105, "Epoch", "The guide's balanced run takes 12 epochs of about 35 minutes.", "none", NO_RUN, 3, 4),
            Query(ask.run(names.RUN_EPOCH), "epoch"),
            Query(ask.run(names.RUN_MAX_EPOCHS), "of", QUIET),
        ),
        value(
            Face(
                106,
                "Time left",
                "Steps left at the pace of the last 15 minutes; no estimate while it stands, and just after a resume.",
                "s",
                "no estimate",
                3,
                4,
            ),
            Query(ask.remaining_seconds(), "left"),
            decimals=1,
        ),
        value(
            Face(107, "Loss", "As the trainer last printed it.", "none", "not printed", 2, 4),
            Query(ask.run(names.RUN_LOSS), "loss"),
            decimals=3,
        ),
        phrase(
            Face(
                108,
                "Checkpoint age",
                "Of the newest whole one; past the guide's 30 minutes it means a hang only when the GPU is idle too.",
                "s",
                "none yet",
                3,
                4,
            ),
            Query(ask.fresh_checkpoint(), "within the limit", GOOD),
            Query(ask.old_checkpoint(), "past the limit", NOTE),
            Query(ask.hung_checkpoint(), "past it, GPU idle", DANGER),
            decimals=0,
        ),
        timeline(
            Face(
                109,
                "What happened",
                "The run's phase, the critical alert that fired, and where the receiver stood with a restart.",
                "none",
                NO_RUN,
                24,
                5,
            ),
            Query(ask.numbered(names.RUN_PHASE, "phase", story.PHASES), "phase"),
            Query(ask.critical_alert_number(story.NO_ALERT, story.OTHER_ALERT, story.RESTART_ALERTS), "alert"),
            Query(ask.numbered(names.RESTART_STATE, "state", story.RESTART_STATES), "restart"),
            shown=story.SHOWN,
        ),
    ]


def steps() -> list[Panel]:
    """How it advances."""
    return [
        lines(
            Face(
                201,
                "Step time",
                "The mean step of the last minutes against the run's own median; the guide wants about 2.5 s, "
                "and calls more than 3 s too slow.",
                "s",
                "no step was timed",
                10,
                7,
            ),
            Query(ask.recent_step_time(), "last minutes", GOOD),
            Query(ask.run(names.RUN_STEP_MEDIAN), "own median", PLAIN),
            limit(ask.run_threshold("step_duration_seconds", "expected"), "expected", QUIET),
            limit(ask.run_threshold("step_duration_seconds", "warning"), "too slow", WARNING),
        ),
        lines(
            Face(202, "Steps", "Where the run is, and where it ends.", "locale", NO_RUN, 7, 7),
            Query(ask.run(names.RUN_STEP), "step", GOOD),
            limit(ask.run(names.RUN_MAX_STEPS), "end", QUIET),
            lowest=0,
        ),
        lines(
            Face(203, "Loss", "As the trainer last printed it.", "none", "no loss was printed", 7, 7),
            Query(ask.run(names.RUN_LOSS), "loss", "purple"),
        ),
    ]


def checkpoints() -> list[Panel]:
    """What a restart could go on from."""
    whole = ask.run(names.CHECKPOINT_LAST_VALID)
    return [
        value(
            Face(
                501,
                "Checkpoints",
                "On disk, and read and found whole; the guide keeps 3, one every 2 epochs.",
                "none",
                "none yet",
                3,
                7,
            ),
            Query(ask.run(names.CHECKPOINTS), "on disk"),
            Query(ask.run(names.CHECKPOINTS_VALID), "whole", GOOD),
        ),
        word(
            Face(502, "The newest is", "A damaged one is passed over for the one before it.", "none", "none yet", 3, 7),
            Query(f"{whole} == 1", "whole", GOOD),
            Query(f"{whole} == 0", "damaged", DANGER),
        ),
        value(
            Face(503, "Size", "Of the newest checkpoint.", "bytes", "none yet", 3, 7),
            Query(ask.run(names.CHECKPOINT_LAST_SIZE), "newest"),
            decimals=1,
        ),
        lines(
            Face(
                504,
                "Age of the newest whole checkpoint",
                "A balanced run saves every 70 minutes or so, and crosses the line for a hang each time: "
                "that is a hang only with an idle GPU.",
                "h",
                "none yet",
                15,
                7,
            ),
            Query(ask.in_hours(ask.checkpoint_age()), "age", GOOD),
            limit(ask.in_hours(ask.run_threshold("checkpoint_age_seconds", "hung")), "hung, if the GPU is idle", NOTE),
            limit(ask.in_hours(ask.run_threshold("checkpoint_age_seconds", "overdue")), "overdue", WARNING),
            lowest=0,
        ),
    ]
