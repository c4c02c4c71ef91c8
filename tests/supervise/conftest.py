"""Real runs in a throwaway state home; nothing of them is left when a test is over."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.collectors import gpu_snapshot
from trainwarden.config import Config, RunConfig
from trainwarden.model import Limits, RunState
from trainwarden.runs import control
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import kept, launch, plan

QUICK = Limits(term_grace=0.6, kill_grace=0.6, orphan_grace=1.0, await_restart=60.0, checkpoint_settle=0.0)
PYTHON = sys.executable
TICKING = [PYTHON, "-u", "-c", "import time\nn=0\nwhile 1: n+=1; print('tick', n); time.sleep(0.05)"]


class Runs:
    """Starts runs, and looks at them."""

    def __init__(self, tmp_path: Path) -> None:
        self._tmp_path = tmp_path

    def start(self, command: list[str], name: str = "luca", **entry: object) -> RunFolder:
        """Plan and launch, without a viewer."""
        config = self.config(name, **entry)
        planned = plan.plan(name, command=command, config=config, options=plan.Options(cwd=str(self._tmp_path)))
        return launch.launch(planned)

    @staticmethod
    def config(name: str = "luca", **entry: object) -> Config:
        return Config(runs={name: RunConfig(**{"limits": QUICK, **entry})})  # type: ignore[arg-type]

    def demo(self, *options: str) -> list[str]:
        """A training that really trains and can be resumed: 4 epochs of 5 steps."""
        folder = ["--output_dir", str(self._tmp_path / "out"), "--output_name", "luca"]
        saving = ["--max_train_epochs", "4", "--save_every_n_epochs", "1", "--save_state", "--steps_per_epoch", "5"]
        return [PYTHON, "-m", "trainwarden.demo", *folder, *saving, *options]


@pytest.fixture
def runs(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setattr(gpu_snapshot, "snapshot", lambda timeout: None)  # an interpreter's start for every run
    yield Runs(tmp_path)
    left = processes_of(state_home)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(state_home), 10, "the processes of the test are gone")


@pytest.fixture
def nothing_left(state_home: Path, runs: Runs) -> Iterator[None]:
    """For tests whose runs must end by themselves: keeper, supervisor and every member are gone at the end."""
    yield
    wait_until(lambda: not processes_of(state_home), 10, "every process of the run is gone")


def processes_of(state_home: Path) -> list[int]:
    """Whoever carries the test's state home: keepers, supervisors and members alike."""
    found = []
    for pid in system.all_pids():
        stat = system.read_stat(pid)
        mine = pid != os.getpid() and system.read_environment(pid).get("XDG_STATE_HOME", "").startswith(
            str(state_home.parent)
        )
        if mine and stat is not None and stat.state not in "ZX":
            found.append(pid)
    return found


def state(folder: RunFolder) -> RunState:
    found = folder.read_state()
    assert found is not None
    return found


def until_state(
    folder: RunFolder, predicate: Callable[[RunState], object], seconds: float = 15, what: str = "state"
) -> RunState:
    def look() -> RunState | None:
        found = state(folder)
        return found if predicate(found) else None

    found = wait_until(look, seconds, what)
    assert found is not None
    return found


def until_ended(folder: RunFolder, seconds: float = 15) -> RunState:
    return until_state(folder, lambda s: s.ended is not None and not living(s), seconds, "the generation has ended")


def living(found: RunState) -> list[int]:
    """Whoever PID 1 has still to reap is dead."""
    return [member.pid for member in found.members if member.state != "Z"]


def until_closed(folder: RunFolder, seconds: float = 15) -> RunState:
    return until_state(folder, lambda s: not s.open, seconds, "the run is closed")


def stop(folder: RunFolder, *, by: str = "user", final: bool = False) -> RunState:
    return control.ask(folder, control.Stop(by=by, final=final))  # type: ignore[arg-type]


def step(folder: RunFolder) -> int:
    return max((p.step or 0 for p in folder.read_progress()), default=0)


def output(folder: RunFolder, generation: int = 1) -> str:
    path = folder.output_path(generation)
    return path.read_text(errors="replace") if path.exists() else ""


def until_output(folder: RunFolder, text: str, seconds: float = 15, generation: int = 1) -> str:
    return wait_until(
        lambda: output(folder, generation) if text in output(folder, generation) else "",
        seconds,
        f"{text!r} in the output",
    )


def keeper_pid(folder: RunFolder) -> int:
    found = kept.read(folder)
    assert found is not None
    return found.keeper.pid
