"""What a person reads of each alert: `texts.yml` names a night, a minute in it, and the words that stand there then."""

from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from tests.rules import shipped

TEXTS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("texts.yml").read_text())


def questions(night: str) -> list[dict[str, Any]]:
    """What promtool is to compare in that night. It wants all alerts of one name at once."""
    mine = [text for text in TEXTS if text["night"] == night]
    return [
        {"alertname": alert, "eval_time": f"{minute}m", "exp_alerts": [expected(text) for text in together]}
        for (alert, minute), together in groupby(mine, key=lambda text: (text["alert"], text["minute"]))
    ]


def expected(text: dict[str, Any]) -> dict[str, Any]:
    """Labels and annotations of one text, as promtool has them."""
    labels = {"severity": text["severity"], **text["labels"]}
    written = shipped.annotations(text["alert"], text["severity"])
    said = {
        part: text.get(part, "" if part == "escalation" else _filled(words, labels)) for part, words in written.items()
    }
    return {"exp_labels": labels, "exp_annotations": said}


def _filled(words: str, labels: dict[str, str]) -> str:
    """Remedies and links say no more than the alert's labels; where a remedy does, `texts.yml` has it."""
    for name, value in labels.items():
        words = words.replace(f"{{{{ $labels.{name} }}}}", value)
    return words
