"""``docs/metrics.md``: every metric family, where it comes from, and what asks for it."""

from collections.abc import Iterator
from pathlib import Path

from docs.build import code, uses

from trainwarden import names
from trainwarden.names import Family

_TOP = """\
# Metrics

<!-- Written by `make docs` (docs/build) from the code, the rules and the dashboards; a test fails when it drifts. -->

Every family that trainwarden exports: {exporter} by `trainwarden exporter`, {receiver} by `trainwarden receiver`, and \
{process} that
both tell of themselves. A value that cannot be had is absent, never 0. Times are Unix timestamps: an age is
`time() - …_timestamp_seconds`. Below a metric's name stand its labels; Prometheus adds `job` and `instance`, which is
the machine's name. *Asked by*: alerts; panels, as `dashboard: panel`; and who else reads it back.
"""

_SECTIONS = {
    "host": "The machine",
    "gpu": "GPUs",
    "run": "Runs",
    "checkpoints": "Checkpoints",
    "thresholds and the exporter itself": "Thresholds, and the exporter itself",
    "what a process itself costs, under the names that every Prometheus client gives it": "The processes themselves",
    "the receiver's own": "The receiver",
}
"""A heading of ``names.py``, and how the page says it."""

_UNITS = (
    ("_timestamp_seconds", "Unix time, seconds"),
    ("_start_time_seconds", "Unix time, seconds"),
    ("_bytes_per_second", "bytes a second"),
    ("_bytes", "bytes"),
    ("_seconds", "seconds"),
    ("_joules", "joules"),
    ("_watts", "watts"),
    ("_celsius", "degrees Celsius"),
    ("_hertz", "hertz"),
    ("_ratio", "0 to 1"),
    ("_info", "always 1"),
    ("_up", "0 or 1"),
    ("_success", "0 or 1"),
    ("_active", "0 or 1"),
)
"""By how a name ends, a counter's without its ``_total``; anything else is a plain number."""


NOWHERE = "nothing yet"

_TABLE = """\
| metric | kind, unit | what it says | from | asked by |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    counts = {
        "exporter": names.EXPORTER_FAMILIES,
        "receiver": names.RECEIVER_FAMILIES,
        "process": names.PROCESS_FAMILIES,
    }
    top = _TOP.format(**{whose: len(families) for whose, families in counts.items()})
    found = code.sections()
    sections = (_section(_SECTIONS.get(heading, heading), families) for heading, families in found.items())
    every = [family for families in found.values() for family in families]
    return "\n".join([top, *sections, "".join(sorted(set(_targets(every))))])


def unit(family: Family) -> str:
    """What one of its values is in."""
    name = family.name.removesuffix("_total")
    return next((said for ending, said in _UNITS if name.endswith(ending)), "a number")


def _section(title: str, families: list[Family]) -> str:
    modules = sorted({module for family in families for module in code.yielding(family)})
    sources = "".join(f"- [{module}]: {code.purpose(module)}.\n" for module in modules)
    return f"## {title}\n\n{sources}\n{_TABLE}{''.join(_row(family) for family in families)}"


def _row(family: Family) -> str:
    labels = f"<br>`{{{', '.join(family.labels)}}}`" if family.labels else ""
    source = ", ".join(f"[{module}]" for module in code.yielding(family)) or NOWHERE
    cells = (
        f"`{family.name}`{labels}",
        f"{family.kind}, {unit(family)}",
        family.help,
        source,
        "; ".join(_asking(family)),
    )
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _asking(family: Family) -> Iterator[str]:
    """Alerts, then panels, then the receiver's own second look."""
    yield from (f"[{alert}]" for alert in uses.alerts(family))
    yield from uses.panels(family)
    yield from (f"[{module}]" for module in code.reading(family))


def _targets(families: list[Family]) -> Iterator[str]:
    """Where the page's links lead."""
    for family in families:
        yield from (f"[{alert}]: runbooks/{alert}.md\n" for alert in uses.alerts(family))
        modules: list[Path] = [*code.yielding(family), *code.reading(family)]
        yield from (f"[{module}]: ../exporter/trainwarden/{module}\n" for module in modules)
