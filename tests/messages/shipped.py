"""The shipped alerts as Prometheus sends them: labels and words are those that promtool compares in tests/rules."""

from datetime import datetime, timedelta, timezone
from typing import Any

from tests.rules.texts import TEXTS, expected

Alert = dict[str, Any]
PROMETHEUS = "http://prometheus.example:9090/graph?g0.expr=it"
BEFORE = {"gpu": "GPU ", "generation": "aunch "}
"""What stands before a label's value in the words: its number alone may stand for something else."""


def alert(name: str, severity: str, night: str | None = None, *, since: float = 0, **labels: str) -> Alert:
    """The alert as it stands in a night of tests/rules/texts.yml, since so many seconds; ``labels`` are put over it.

    Where other labels are given, they take their place in the words too: run, GPU or machine is another then.
    """
    mine = [text for text in TEXTS if (text["alert"], text["severity"]) == (name, severity)]
    text = next(text for text in mine if night in (None, text["night"]))
    told = expected(text)
    given = {"alertname": name, **told["exp_labels"]}
    words = {key: _renamed(said, given, labels) for key, said in told["exp_annotations"].items() if said}
    starts = datetime.now(timezone.utc) - timedelta(seconds=since)
    return {
        "labels": {**given, **labels},
        "annotations": words,
        "startsAt": starts.isoformat(),
        "generatorURL": PROMETHEUS,
    }


def over(standing: Alert) -> Alert:
    """The same alert, as Prometheus sends it once it has ended."""
    return {**standing, "endsAt": datetime.now(timezone.utc).isoformat()}


def _renamed(said: str, given: dict[str, str], other: dict[str, str]) -> str:
    for label, value in other.items():
        before = BEFORE.get(label, "")
        said = said.replace(before + given[label], before + value)
    return said
