"""The shipped configuration with every duration divided by one factor: a copy that does in seconds what takes minutes.

In the rules only durations change: ``for``, ``keep_firing_for``, a group's ``interval``, and ranges, subquery steps
and offsets inside expressions. Thresholds are series, so those that are durations are scaled by configuration. The
drill and the tests run by this; the shipped files are never touched.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml

from trainwarden import config as configuration
from trainwarden.config import Config, Thresholds
from trainwarden.model import Limits

FACTOR = 60.0
"""A minute of the rules lasts a second. With more, the ten minutes of "hung" would hold too few scrapes a second."""

STEP_SECONDS = 1.0
"""Above this a scratch run's step counts as slow: its own take a tenth of that, whatever the factor."""

AT_LEAST = {
    "term_grace": 2.0,
    "kill_grace": 10.0,
    "orphan_grace": 5.0,
    "save_grace": 5.0,
    "pause_after_stop": 1.0,
    "gpu_memory_timeout": 20.0,
    "start_timeout": 60.0,
    "probation_timeout": 60.0,
    "await_restart": 60.0,
    "look_apart": 1.0,
    "decide_again": 1.0,
    "held_long": 60.0,
    "checkpoint_settle": 0.5,
}
"""Seconds below which a limit is not scaled: real processes do not start, save or die faster for being watched so."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = r"(?:\d+[smhdw])+"
_IN_EXPRESSION = re.compile(rf"(?<=\[){_DURATION}(?=[:\]])|(?<=:){_DURATION}(?=\])|(?<=offset ){_DURATION}")


def rules(source: Path, target: Path, factor: float) -> list[Path]:
    """Write the rules of the folder ``source`` into ``target``, which may be the same; returns the files."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for file in sorted(source.glob("*.yml")):
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            _scale(group, factor, "interval")
            for rule in group["rules"]:
                _scale(rule, factor, "for", "keep_firing_for")
                rule["expr"] = _IN_EXPRESSION.sub(lambda match: scaled(match[0], factor), rule["expr"])
        written.append(target / file.name)
        written[-1].write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
    return written


def stack(rendered: Path, factor: float) -> None:
    """Scale what ``stack.render`` has written into the folder ``rendered``: Prometheus' and Alertmanager's files."""
    prometheus = rendered / "prometheus"
    rules(prometheus / "rules", prometheus / "rules", factor)
    _rewrite(prometheus / "prometheus.yml", lambda content: _scrapes(content, factor))
    _rewrite(rendered / "alertmanager/alertmanager.yml", lambda content: _groups(content["route"], factor))


def limits(factor: float) -> Limits:
    """The durations of a run's supervision and restart, each divided by ``factor`` down to ``AT_LEAST``."""
    shipped = Limits()
    given = {name: getattr(shipped, name) for name in Limits.__struct_fields__}
    return msgspec.convert(
        {name: max(value / factor, min(value, AT_LEAST.get(name, 1.0))) for name, value in given.items()}, Limits
    )


def thresholds(config: Config, factor: float) -> Thresholds:
    """For a scratch run: those in force on this machine that are ages, divided, and its own pace."""
    found: Thresholds = {"step_duration_seconds": {"expected": STEP_SECONDS / 2, "warning": STEP_SECONDS}}
    for (signal, level), in_force in configuration.run_thresholds(config, "balanced", {}, None).items():
        if signal.endswith("_age_seconds"):
            found.setdefault(signal, {})[level] = in_force.value / factor
    return found


def scaled(duration: str, factor: float) -> str:
    """`10m` by 60 is `10s`; never below a second."""
    return f"{max(1, round(seconds(duration) / factor))}s"


def seconds(duration: str) -> int:
    """What a duration as Prometheus writes it lasts: `1h30m` is 5400."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhdw])", duration))


def _scale(holder: dict[str, Any], factor: float, *keys: str) -> None:
    for key in keys:
        if key in holder:
            holder[key] = scaled(holder[key], factor)


def _scrapes(content: dict[str, Any], factor: float) -> None:
    _scale(content["global"], factor, "scrape_interval", "scrape_timeout", "evaluation_interval")


def _groups(route: dict[str, Any], factor: float) -> None:
    _scale(route, factor, "group_wait", "group_interval", "repeat_interval")
    for child in route.get("routes", []):
        _groups(child, factor)


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
