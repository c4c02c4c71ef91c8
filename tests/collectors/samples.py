"""Runs as their folders hold them, with only what a test cares about spelled out; and metrics as plain values."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from trainwarden import textformat
from trainwarden.model import Identity, Phase, Progress, RunSpec, RunState
from trainwarden.runs.folder import RunFolder
from trainwarden.series import Series

NOW = 1_764_000_000.0
BOOT = "boot"


def spec(name: str = "luca", **facts: Any) -> RunSpec:
    return RunSpec(
        **{"run_id": "id", "command": ["train"], "cwd": "/", "recipe": "kohya", "created_at": NOW, **facts}, name=name
    )


def state(**facts: Any) -> RunState:
    live = {
        "run_id": "id",
        "generation": 1,
        "open": True,
        "beat_at": NOW,
        "beat_monotonic": 1.0,
        "started_at": NOW - 60,
        "training": Identity(BOOT, 1, 1, 1),
    }
    return RunState(**{**live, **facts})


def progress(**facts: Any) -> Progress:
    training = {"writer": "output", "generation": 1, "phase": Phase.TRAINING, "phase_since": NOW - 30, "beat_at": NOW}
    return Progress(**{**training, **facts})


def write(root: Path, *parts: Any) -> RunFolder:
    """Make the folder of the run whose spec is the first part."""
    folder = RunFolder(parts[0].name, root)
    folder.create()
    folder.write_spec(parts[0])
    for part in parts[1:]:
        (folder.write_state if isinstance(part, RunState) else folder.write_progress)(part)
    return folder


def values(every: Iterable[Series]) -> dict[str, dict[str, float]]:
    """Value by label values (in the order of the labels' names) by sample name, read back from the text."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(textformat.write(every).decode()):
        for sample in family.samples:
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
