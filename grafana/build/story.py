"""The words of the timeline "What happened": phases, critical alerts and restart states as numbers with a look.

All three stand in one panel, whose value mappings are one table, so that no number may stand for two words.
"""

from enum import Enum
from itertools import count

from trainwarden import names
from trainwarden.model import Phase
from trainwarden.restart.states import State

from .panels import DANGER, GOOD, NOTE, NOTHING, PLAIN, QUIET, WARNING, Shown

PHASE_COLORS = {
    Phase.STARTING: "super-light-blue",
    Phase.CACHING: "light-blue",
    Phase.TRAINING: GOOD,
    Phase.EVALUATING: "purple",
    Phase.CHECKPOINTING: PLAIN,
    Phase.STOPPED: QUIET,
    Phase.FAILED: DANGER,
    Phase.FINISHED: "dark-green",
}
RESTART_COLORS = {
    State.WATCHING: NOTHING,
    State.LOOKING: NOTE,
    State.HELD: "super-light-yellow",
    State.PROBATION: "light-blue",
    State.GIVING_UP: DANGER,
    State.GAVE_UP: DANGER,
}
"""Every other state is a restart being carried out."""

_numbers = count(1)
PHASES: dict[Enum, int] = {phase: next(_numbers) for phase in Phase}
NO_ALERT, OTHER_ALERT = next(_numbers), next(_numbers)
RESTART_ALERTS = {alert: next(_numbers) for alert in names.RESTART_ALERTS}
RESTART_STATES: dict[Enum, int] = {state: next(_numbers) for state in State}

SHOWN = {
    **{number: Shown(phase.value, PHASE_COLORS[Phase(phase)]) for phase, number in PHASES.items()},
    NO_ALERT: Shown("none", NOTHING),
    OTHER_ALERT: Shown("another", WARNING),
    **{number: Shown(names.RESTART_ALERTS[alert], DANGER) for alert, number in RESTART_ALERTS.items()},
    **{
        number: Shown(state.value.replace("_", " "), RESTART_COLORS.get(State(state), WARNING))
        for state, number in RESTART_STATES.items()
    },
}
