"""The example that needs nothing but Python is run as a user runs it; the others in `tests/frameworks`."""

import runpy
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from trainwarden.model import Phase
from trainwarden.runs.folder import RunFolder


def test_the_plain_loop_tells_all_its_steps(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINWARDEN_RUN", "plain")
    monkeypatch.setenv("TRAINWARDEN_GENERATION", "1")
    folder = RunFolder("plain")
    folder.create()
    runpy.run_path(str(REPOSITORY / "examples/heartbeat/plain.py"), run_name="__main__")
    (found,) = folder.read_progress()
    assert (found.step, found.steps_done, found.max_steps, found.saves) == (60, 60, 60, 3)
    assert found.phase is Phase.TRAINING
    assert found.durations is not None and sum(found.durations.counts) == 59
    assert found.durations.sum < 59 * 0.1, "evaluations and saves are no steps"


def test_every_example_stands_on_the_page() -> None:
    page = (REPOSITORY / "docs/heartbeat.md").read_text()
    examples = sorted((REPOSITORY / "examples/heartbeat").glob("*.py"))
    assert len(examples) == 4
    assert all(f"](../examples/heartbeat/{path.name})" in page for path in examples)
