"""``docs/alerts.md``: every alert by subject, what it says, when it stands, and who is told or acts."""

from collections.abc import Iterator
from typing import Any

import yaml
from docs.build.uses import REPOSITORY

_TOP = """\
# Alerts

<!-- Written by `make docs` (docs/build) from prometheus/rules; a test fails when it drifts. -->

{alerts} alerts of {rules} rules. Each leads to a page: what it means, why it matters, where to look, how to mend it,
and what trainwarden does about it by itself. What it compares with is a series that the exporter exports (`trainwarden
thresholds` shows them, with who decided each), so a rule holds no number of yours. *Stands after*: how long the
condition has to hold, beyond the minutes that the condition itself looks back; *kept*: how long the alert is kept after
it ended, so that noise about a threshold is one message and not seven.

Two alerts restart a run: Alertmanager sends them to the receiver, which looks again before it touches anything. The
others tell people: *critical* and *warning* as `notify:` says, *info* nobody, but for what became of a restart.
"""

_FILES = {
    "restart": "What restarts a run",
    "outcome": "What the receiver does, and what came of it",
    "run": "How a run goes on",
    "errors": "What went wrong inside a training",
    "checkpoint": "What is saved of a run",
    "disk": "The disk that a run saves to",
    "gpu": "The GPUs",
    "vram": "The memory of a run's GPUs",
    "usage": "Whether a GPU does all it could: kept busy, alone with its run, not held down",
    "host": "The machine's memory",
    "watch": "Whether the watch stands",
    "thresholds": "Whether every rule has its number",
    "delivery": "Whether alerts reach anybody",
}
"""The files of rules, in the order of the page."""

_WORDS = {
    " on {{ $labels.instance }}": "",
    "{{ with $labels.instance }} on {{ . }}{{ end }}": "",
    "{{ with $labels.run }}run {{ . }} on {{ end }}": "",
    "{{ $labels.instance }}": "MACHINE",
    "{{ $labels.run }}": "NAME",
    "{{ $labels.collector }}": "NAME",
    "{{ $labels.gpu }}": "N",
    "{{ $labels.xid }}": "N",
    "{{ $labels.phase }}": "PHASE",
    "{{ $labels.reason }}": "REASON",
    "{{ $labels.kind }}": "KIND",
    "{{ $labels.integration }}": "WAY",
    "{{ $labels.job | title }}": "Prometheus or Alertmanager",
}
"""What a summary shows of an alert's labels, and how the page says it."""

_HEAD = "| alert | severity | what it says | stands after | kept |\n|---|---|---|---|---|\n"


def page() -> str:
    """The whole page."""
    files = {path.stem: yaml.safe_load(path.read_text()) for path in (REPOSITORY / "prometheus/rules").glob("*.yml")}
    by_file = {name: list(_alerts(files.pop(name))) for name in _FILES}
    unsaid = sorted(name for name, content in files.items() if list(_alerts(content)))
    assert not unsaid, f"say in docs/build/alerts.py what {unsaid} is about"
    every = [rule for rules in by_file.values() for rule in rules]
    top = _TOP.format(alerts=len({rule["alert"] for rule in every}), rules=len(every))
    sections = (f"## {_FILES[name]}\n\n{_HEAD}{''.join(map(_row, rules))}" for name, rules in by_file.items())
    return "\n".join([top, *sections])


def _alerts(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in content["groups"]:
        yield from (rule for rule in group["rules"] if "alert" in rule)


def _row(rule: dict[str, Any]) -> str:
    name, labels = rule["alert"], rule["labels"]
    severity = labels["severity"] + (", restarts" if labels.get("action") == "restart" else "")
    severity += ", told" if labels.get("notify") == "outcome" else ""
    kept = rule.get("keep_firing_for", "")
    return f"| [{name}](runbooks/{name}.md) | {severity} | {_said(rule)} | {rule.get('for', 'at once')} | {kept} |\n"


def _said(rule: dict[str, Any]) -> str:
    """The summary, with words in the place of its labels."""
    text = str(rule["annotations"]["summary"])
    for part, word in _WORDS.items():
        text = text.replace(part, word)
    assert "{{" not in text, f"say in docs/build/alerts.py how to read {text}"
    return text
