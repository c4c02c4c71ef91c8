"""Two who tell of one run: its own heartbeat, which is exact, and its output, which sees what nobody told it.

The heartbeat is gone by; but a run that evaluates for an hour without a word to its heartbeat must not look hung, nor
one whose heartbeat fell silent while its bar moves on. So the newer news of the two counts. Pure functions.
"""

from msgspec import structs

from trainwarden.model import Phase, Progress

SILENT_SECONDS = 300.0
"""A heartbeat that says nothing for so long, while the output shows steps, has been taken out or is stuck."""

_ONLY_SOME_SAY = ("max_steps", "epoch", "max_epochs", "loss", "saves", "last_save_seconds", "framework")
"""Taken from the output where the heartbeat was told nothing of it."""


def combined(heartbeat: Progress, output: Progress) -> Progress:
    """What is known of the run, both of the same generation and rank."""
    seen_last = output.last_step_at or 0.0
    if seen_last - heartbeat.beat_at > SILENT_SECONDS:
        return output
    if heartbeat.last_step_at is None and output.last_step_at is not None:  # it is told phases, and no steps
        return _in_told_phase(output, heartbeat)
    filled = structs.replace(
        heartbeat,
        last_step_at=max(seen_last, heartbeat.last_step_at or 0.0) or None,
        nonfinite_losses=max(heartbeat.nonfinite_losses, output.nonfinite_losses),
        errors=output.errors,
        last_error=output.last_error,
        **{name: getattr(output, name) for name in _ONLY_SOME_SAY if not getattr(heartbeat, name)},
    )
    return _in_seen_phase(filled, heartbeat, output)


def _in_seen_phase(filled: Progress, heartbeat: Progress, output: Progress) -> Progress:
    """The output's phase, where it began after the last word of a heartbeat that was told of no other.

    What a training says it does (it evaluates, it saves) is so until it says that it is over.
    """
    if _told(heartbeat) or output.phase_since <= heartbeat.beat_at or output.phase is Phase.STARTING:
        return filled
    return structs.replace(filled, phase=output.phase, phase_since=output.phase_since)


def _in_told_phase(output: Progress, heartbeat: Progress) -> Progress:
    """The heartbeat's phase, until the output shows a step after it."""
    if not _told(heartbeat) or heartbeat.beat_at < (output.last_step_at or 0.0):
        return output
    return structs.replace(output, phase=heartbeat.phase, phase_since=heartbeat.phase_since)


def _told(heartbeat: Progress) -> bool:
    return heartbeat.phase not in (Phase.STARTING, Phase.TRAINING)
