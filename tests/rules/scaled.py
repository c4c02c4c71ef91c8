"""A copy of the shipped rules in which every duration is shorter, for tests that cannot wait half an hour.

Only durations change: `for`, `keep_firing_for`, a group's `interval`, and ranges, subquery steps and offsets inside
expressions. Thresholds are series; a test scales them by configuration.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.rules.shipped import FILES

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = r"(?:\d+[smhdw])+"
_IN_EXPRESSION = re.compile(rf"(?<=\[){_DURATION}(?=[:\]])|(?<=:){_DURATION}(?=\])|(?<=offset ){_DURATION}")


def scaled_rules(target_dir: Path, factor: float) -> list[Path]:
    """Write the shipped rules with every duration divided by ``factor``, at least 1 s; return the files."""
    target_dir.mkdir(parents=True, exist_ok=True)
    written = []
    for file in FILES:
        content = yaml.safe_load(file.read_text())
        for group in content["groups"]:
            _scale(group, factor, "interval")
            for rule in group["rules"]:
                _scale(rule, factor, "for", "keep_firing_for")
                rule["expr"] = _IN_EXPRESSION.sub(lambda match: scaled(match[0], factor), rule["expr"])
        written.append(target_dir / file.name)
        written[-1].write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000))
    return written


def _scale(holder: dict[str, Any], factor: float, *keys: str) -> None:
    for key in keys:
        if key in holder:
            holder[key] = scaled(holder[key], factor)


def scaled(duration: str, factor: float) -> str:
    """`10m` by 60 is `10s`."""
    parts = re.findall(r"(\d+)([smhdw])", duration)
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    return f"{max(1, round(seconds / factor))}s"
