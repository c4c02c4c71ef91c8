"""A night with each engine: what dies in a container, a job, a pane or a unit goes on there, and so does what hangs.

Everything is real: exporter, Prometheus, Alertmanager, receiver, supervisor, and the engine. Who trains is counted from
/proc. The runs of a night begin together, each with a GPU of its own.
"""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.night import THRESHOLDS, Night, Run, demo, night
from tests.support.census import Census
from tests.support.docker import Docker
from tests.support.engines import by_command, by_slurm, in_docker
from tests.support.nvml import FakeDriver
from tests.support.slurm import Slurm
from tests.support.wait import wait_until
from trainwarden.launching import Launching, TmuxOptions
from trainwarden.stack.tools import Tools

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

SETTINGS = {"max_train_epochs": 8, "steps_per_epoch": 10, "save_every_n_epochs": 1}
FAULTS = {"crashes": "crash-at-step", "hangs": "hang-at-step"}
GPUS = {"crashes": 0, "hangs": 1}
STALLED = {"step_age_seconds": {"stalled": 10}}
STEP, SAVED = 45, 4
"""The fault is in epoch 5, so the newest state is that of epoch 4."""


class Hands(ABC):
    """An engine in its user's hands."""

    sees_gpus = True
    """Whether what it launches runs on this machine's GPUs; else nobody knows that they are idle."""

    def __init__(self, folder: Path, daemon: Any) -> None:
        self.folder = folder
        self.daemon = daemon

    def environment(self) -> dict[str, str]:
        """By which its commands find it."""
        return {}

    @abstractmethod
    def launching(self, name: str, command: list[str]) -> Launching:
        """Make ready what is to run this command."""

    @abstractmethod
    def launches(self, name: str) -> list[str]:
        """What the engine itself tells of a run's launches that ended in one restart."""

    @abstractmethod
    def expected(self, name: str) -> list[str]:
        """What it should tell."""

    def close(self) -> None:  # noqa: B027  (most need not)
        """Leave nothing."""


class InDocker(Hands):
    daemon: Docker

    def launching(self, name: str, command: list[str]) -> Launching:
        return in_docker(self.daemon, self.folder, command, name)

    def launches(self, name: str) -> list[str]:
        every = [one["Names"][0] for one in self.daemon.well("GET", "/containers/json?all=1")]
        return sorted(one for one in every if one.startswith(f"/{name}"))

    def expected(self, name: str) -> list[str]:
        return [f"/{name}", f"/{name}-generation-1", f"/{name}-generation-2"]

    def close(self) -> None:
        self.daemon.clear()


class BySlurm(Hands):
    sees_gpus = False
    daemon: Slurm

    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.daemon.conf)}

    def launching(self, name: str, command: list[str]) -> Launching:
        return by_slurm(self.folder, name=name)

    def launches(self, name: str) -> list[str]:
        jobs = map(self.daemon.show, self.daemon.jobs())
        return [
            f"{job['JobName']} {job['JobState']} {job['Restarts']}" for job in jobs if job["JobName"] == f"{name}.sh"
        ]

    def expected(self, name: str) -> list[str]:
        return [f"{name}.sh COMPLETED 1"]

    def close(self) -> None:
        self.daemon.clear()


class InTmux(Hands):
    @property
    def server(self) -> str:
        return str(self.folder / "tmux.sock")

    def launching(self, name: str, command: list[str]) -> Launching:
        return Launching(tmux=TmuxOptions(server=self.server))

    def launches(self, name: str) -> list[str]:
        ask = ["tmux", "-S", self.server, "list-panes", "-t", name, "-F", "#{session_name} #{pane_dead_status}"]
        return subprocess.run(ask, capture_output=True, check=True, text=True, timeout=10).stdout.splitlines()

    def expected(self, name: str) -> list[str]:
        return [f"{name} 0"]

    def close(self) -> None:
        subprocess.run(["tmux", "-S", self.server, "kill-server"], capture_output=True, check=False, timeout=10)


class ByCommand(Hands):
    sees_gpus = False

    def place(self, name: str) -> Path:
        return self.folder / f"jobs-{name}"

    def launching(self, name: str, command: list[str]) -> Launching:
        self.place(name).mkdir()
        return by_command(self.place(name))

    def launches(self, name: str) -> list[str]:
        return sorted(path.name for path in self.place(name).glob("*.pid"))

    def expected(self, name: str) -> list[str]:
        return ["1.pid", "2.pid"]


ENGINES: dict[str, tuple[type[Hands], str]] = {
    "docker": (InDocker, "docker_daemon"),
    "slurm": (BySlurm, "slurm_cluster"),
    "tmux": (InTmux, ""),
    "command": (ByCommand, ""),
}


class Evening:
    """Both runs of one engine, launched and on their way into their fault."""

    def __init__(self, watch: Night, hands: Hands, census: Census) -> None:
        self.watch = watch
        self.hands = hands
        self.census = census
        self.runs = {name: self.watch.launch_command(name, command(watch.folder, name)) for name in FAULTS}

    def at_fault(self, name: str) -> Run:
        run = self.runs[name]
        last = run.checkpoints / f"{name}-{SAVED:06d}-state/random_states_0.pkl"
        wait_until(last.exists, 60, f"{name} has saved its last checkpoint before the fault")
        return run

    def lives(self, run: Run) -> list[int]:
        """The generations of a run that were ever seen to train."""
        self.census.settle()
        return [generation for generation, _ in self.census.commands(run_id(run))]


def command(folder: Path, name: str) -> list[str]:
    return demo(folder / "user" / name, name, **SETTINGS, **{FAULTS[name]: STEP})


def settings(name: str, launching: Launching) -> dict[str, Any]:
    """The run's entry in trainwarden.yml."""
    (engine,) = launching.chosen()
    launcher = {engine: msgspec.to_builtins(getattr(launching, engine))}
    return {"gpus": [GPUS[name]], "launcher": launcher, "thresholds": {**THRESHOLDS, **STALLED}}


def run_id(run: Run) -> str:
    spec = run.folder.read_spec()
    assert spec is not None
    return spec.run_id


@pytest.fixture(scope="module")
def census() -> Iterator[Census]:
    with Census() as census:
        yield census


@pytest.fixture(scope="module", params=ENGINES)
def evening(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    tools: Tools,
    nvml_library: Path,
    census: Census,
) -> Iterator[Evening]:
    kind, daemon = ENGINES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    hands = kind(folder, request.getfixturevalue(daemon) if daemon else None)
    driver = FakeDriver(nvml_library, folder / "nvml.script", gpus=len(GPUS))
    runs = {name: settings(name, hands.launching(name, command(folder, name))) for name in GPUS}
    try:
        with night(folder, tools, driver, runs) as watch:
            watch.environment |= hands.environment()
            yield Evening(watch, hands, census)
    finally:
        hands.close()


def test_a_crash_is_resumed_by_the_engine_and_ends_as_if_nothing_had_been(evening: Evening, undisturbed: bytes) -> None:
    run = evening.at_fault("crashes")
    assert run.exit_code(90) == 0
    resumed_once(evening, run, undisturbed)


def test_a_hang_beside_an_idle_gpu_is_resumed_or_told_where_nobody_sees_the_gpu(
    evening: Evening, undisturbed: bytes
) -> None:
    run = evening.at_fault("hangs")
    evening.watch.driver.set(gpu=GPUS["hangs"], utilization=0)
    if evening.hands.sees_gpus:
        wait_until(lambda: run.generation() == 2, 60, "it is launched again")
        evening.watch.driver.set(gpu=GPUS["hangs"], utilization=99)
        assert run.exit_code(60) == 0
        resumed_once(evening, run, undisturbed)
        return
    stalled = 'ALERTS{alertname="TrainwardenRunStalled",alertstate="firing",run="hangs"}'
    wait_until(lambda: evening.watch.query(stalled), 60, "a human is called")
    assert (run.generation(), run.ledger("stopping"), evening.lives(run)) == (1, [], [1])


def resumed_once(evening: Evening, run: Run, undisturbed: bytes) -> None:
    """From the newest checkpoint, by its engine, one generation at a time; and proven by new steps."""
    assert [Path(entry["checkpoint"]).name for entry in run.ledger("launched")] == [f"{run.name}-{SAVED:06d}-state"]
    assert f"epoch {SAVED + 1}/8" in run.output(2)
    assert f"epoch {SAVED}/8" not in run.output(2)
    assert (run.checkpoints / f"{run.name}.safetensors").read_bytes() == undisturbed
    assert len(run.ledger("recovered")) == 1
    assert evening.lives(run) == [1, 2]
    assert evening.census.together(run_id(run)) == {frozenset({1}), frozenset({2})}, "never both"
    assert run.processes() == []
    assert evening.hands.launches(run.name) == evening.hands.expected(run.name)
