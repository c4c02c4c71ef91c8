"""Real trainers, launched as a user launches them: `trainwarden run NAME -- python script.py`."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from trainwarden.model import Outcome, Progress, RunState
from trainwarden.runs.folder import RunFolder, best_progress

HERE = Path(__file__).parent
TRANSFORMERS_4 = Path(sys.prefix) / ".transformers4"
"""Installed there by `make test-heavy`, apart from the environment's own transformers 5."""


class Trained(NamedTuple):
    """A training that has ended."""

    state: RunState
    found: list[Progress]
    """Every writer's and rank's."""
    output: bytes

    @property
    def best(self) -> Progress:
        """What readers go by."""
        best = best_progress(self.found, 1)
        assert best is not None
        return best

    def of(self, writer: str, rank: int = 0) -> Progress:
        """One writer's."""
        (progress,) = [p for p in self.found if (p.writer, p.rank) == (writer, rank)]
        return progress


Train = Callable[..., Trained]


@pytest.fixture
def train(state_home: Path, tmp_path: Path) -> Train:
    """Train with a script of this folder, or an example, to its end, which must be a good one."""

    def trained(script: str, *options: str, name: str = "luca", launcher: tuple[str, ...] = ("python",)) -> Trained:
        library = [str(TRANSFORMERS_4)] if script == "train_hf4.py" else []
        configuration = tmp_path / "trainwarden.yml"
        configuration.write_text(f"runs: {{{name}: {{limits: {{await_restart: 0s}}}}}}\n")
        environment = {
            **os.environ,
            "TERM": "xterm-256color",  # rich draws its bars on no dumb one
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(library),
            "TRAINWARDEN_CONFIG": str(configuration),
            "OMP_NUM_THREADS": "1",  # models this small only wait for each other's threads
        }
        folder = [] if Path(script).is_absolute() else ["--output-dir", "out"]
        command = [*launcher, str(HERE / script.replace("hf4", "hf")), *folder, *options]
        done = subprocess.run(
            [sys.executable, "-m", "trainwarden", "run", name, "--", *command],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=150, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:] + done.stderr.decode()
        run = RunFolder(name)
        state = run.read_state()
        assert state is not None and state.ended is not None and state.ended.outcome is Outcome.FINISHED
        return Trained(state, run.read_progress(), run.output_path(1).read_bytes())

    return trained
