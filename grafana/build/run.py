"""The dashboard of one run, "trainwarden / Run": its sections, as they are read from top to bottom."""

from grafana_foundation_sdk.models import dashboard as model

from .frame import frame, row
from .hardware import gpu, machine
from .restarts import holds_and_alerts, restarts
from .training import checkpoints, now, steps

UID = "trainwarden-run"
DESCRIPTION = "One training run: where it is, how it goes, what it costs, and what became of it at night."

SECTIONS = (
    (100, "The run now", now),
    (200, "Steps", steps),
    (300, "The run's GPUs", gpu),
    (400, "The machine", machine),
    (500, "Checkpoints", checkpoints),
    (600, "Restarts", restarts),
    (700, "Holds and alerts", holds_and_alerts),
)


def build() -> model.Dashboard:
    """The whole dashboard."""
    board = frame(UID, "trainwarden / Run", DESCRIPTION)
    for id_, title, panels in SECTIONS:
        board.with_row(row(id_, title))
        for panel in panels():
            board.with_panel(panel)
    return board.build()
