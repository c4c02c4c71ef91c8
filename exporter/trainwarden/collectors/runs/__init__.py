"""The runs, as their folders tell: one phase, steps and their durations, members, errors, and the GPUs they use."""

from trainwarden.collectors.runs.cards import cards, in_doubt
from trainwarden.collectors.runs.families import families
from trainwarden.collectors.runs.reading import Run, Runs, RunsReading

__all__ = ["Run", "Runs", "RunsReading", "cards", "families", "in_doubt"]
