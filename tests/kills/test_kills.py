"""No half checkpoint is called valid and no whole one invalid, whenever a save is killed: 220 kills in real saves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

OLD_SAFETENSORS = "0.4.5"
"""kohya's pin: it writes in place under the final name, where later releases write elsewhere and rename."""


@pytest.fixture(scope="session")
def old_safetensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That release, apart from the environment's own."""
    target = tmp_path_factory.mktemp("safetensors")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    subprocess.run([*pip, f"safetensors=={OLD_SAFETENSORS}"], check=True, timeout=120)
    return target


@pytest.mark.parametrize(
    ("kind", "release", "many"),
    [
        ("safetensors", OLD_SAFETENSORS, 50),
        ("safetensors", "current", 35),
        ("torch", "current", 35),
        ("lightning", "current", 30),
        ("kohya", "current", 35),
        ("hf", "current", 35),
    ],
)
def test_killed_saves_are_told_from_whole_ones(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, release: str, many: int
) -> None:
    front = request.getfixturevalue("old_safetensors") if release == OLD_SAFETENSORS else None
    # One thread, and no pool of them: the children are forked.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(front or "")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.kills.trials", kind, str(tmp_path), str(many), "1"],
        cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    trials = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"killed"')]
    inside, whole = (sum(trial[what] for trial in trials) for what in ("killed", "whole"))
    assert inside == many
    assert [trial for trial in trials if trial["valid"] != trial["whole"]] == []
    print(f"{kind} {release}: {inside} of {len(trials)} kills fell into the save, {whole} left a whole checkpoint")
