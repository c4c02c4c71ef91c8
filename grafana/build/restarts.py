"""What became of a run at night: the receiver's decisions, and the alerts that stand."""

from trainwarden import names

from . import queries as ask
from .panels import DANGER, GOOD, NOTE, PLAIN, WARNING, Face, Panel, Query, Shown, bars, rows, value, word

NO_RECEIVER = "no receiver"
SEVERITIES = {"critical": DANGER, "warning": WARNING, "info": PLAIN}


def restarts() -> list[Panel]:
    """What the receiver did, and what it may still do."""
    budget = ask.run(names.RESTART_BUDGET)
    calls = f"{ask.run(names.NEEDS_HUMAN)} == 1"
    return [
        word(
            Face(601, "Receiver", "Where the receiver stands with this run.", "none", NO_RECEIVER, 4, 4),
            Query(f"{ask.run(names.RESTART_STATE)} == 1", "{{state}}"),
        ),
        value(
            Face(602, "Restarts", "Launched by the receiver, by what had gone wrong.", "none", NO_RECEIVER, 5, 4),
            Query(ask.run(names.RESTARTS), "{{reason}}"),
        ),
        value(
            Face(603, "Recovered", "Restarts that were seen to train on.", "none", NO_RECEIVER, 3, 4),
            Query(ask.run(names.RECOVERIES), "recovered", GOOD),
        ),
        value(
            Face(604, "Steps lost", "Steps that had to be taken again after a resume.", "locale", NO_RECEIVER, 3, 4),
            Query(ask.run(names.STEPS_LOST), "lost"),
        ),
        value(
            Face(
                605,
                "Restarts left",
                "The guide allows 3; a new verified checkpoint refills them.",
                "none",
                NO_RECEIVER,
                3,
                4,
            ),
            Query(f"{budget} > 0", "left", GOOD),
            Query(f"{budget} == 0", "left", DANGER),
        ),
        word(
            Face(
                606, "Needs you", "Why the receiver cannot help the run and calls a human.", "none", NO_RECEIVER, 6, 4
            ),
            Query(calls, "{{reason}}", DANGER),
            Query(f"{budget} unless on(instance, run) ({calls})", "no", GOOD),
        ),
    ]


def holds_and_alerts() -> list[Panel]:
    """Why nothing was done, and what fires."""
    return [
        bars(
            Face(
                701,
                "Held back",
                "How often the receiver decided not to act, by reason: a healthy run is never restarted.",
                "none",
                "nothing was held back",
                8,
                6,
            ),
            Query(f"{ask.run(names.RESTART_HOLDS)} > 0", "{{reason}}", NOTE),
        ),
        rows(
            Face(
                702,
                "Alerts that fire",
                "Of this run and of its machine; only the critical ones about a hang or a crash cause a restart.",
                "s",
                "nothing fires",
                16,
                6,
            ),
            Query(ask.firing_since()),
            columns={"alertname": "Alert", "severity": "Severity", "gpu": "GPU", "Value": "For"},
            shown={severity: Shown(severity, color) for severity, color in SEVERITIES.items()},
        ),
    ]
