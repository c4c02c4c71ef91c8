"""The scratch run of a drill: the demo training under ``trainwarden run``, and what can be seen of it."""

import subprocess
import sys
import time
from contextlib import suppress
from typing import TypeVar

import msgspec

from trainwarden.config import RunConfig
from trainwarden.drill import scaling
from trainwarden.drill.ground import DrillError, Ground
from trainwarden.drill.simulated import CALM, Simulation
from trainwarden.model import Budget, Progress, RunState
from trainwarden.restart.events import AnyEvent, Event
from trainwarden.restart.ledger import Ledger
from trainwarden.runs import identity
from trainwarden.runs.folder import RunFolder, best_progress

STANDING_SECONDS = 1.5
"""Without a step for so long a training of ten steps a second stands still."""
COMMAND_SECONDS = 60.0

E = TypeVar("E", bound=Event)

# Ten steps a second and a checkpoint every two seconds, for longer than any drill lasts.
_OPTIONS = (
    "--max_train_epochs=500",
    "--steps_per_epoch=20",
    "--step_seconds=0.1",
    "--save_every_n_epochs=1",
    "--save_last_n_epochs=10",
    "--save_state",
)


def settings(thresholds: dict[str, dict[str, float]], factor: float) -> RunConfig:
    """The scratch run's entry in ``runs:``."""
    return RunConfig(
        gpus=[0],
        mode="restart",
        thresholds=thresholds,
        limits=scaling.limits(factor),
        budget=Budget(probation_steps=3),
    )


class Scratch:
    """One scratch run, and the readings that are simulated for it."""

    def __init__(self, ground: Ground, name: str, simulation: Simulation) -> None:
        self.name = name
        self.folder = RunFolder(name, ground.runs)
        self.pretended = CALM
        """What is simulated beside what follows the scratch run itself."""
        self._ground = ground
        self._simulation = simulation
        self._output = ground.training(name)
        self._strike = self._output / "strike"

    def launch(self, environment: dict[str, str]) -> None:
        """``trainwarden run NAME --detach``, by the drill's own configuration. Raises ``DrillError``."""
        self._output.mkdir(parents=True)
        training = [sys.executable, "-m", "trainwarden.demo", f"--output_dir={self._output}"]
        training += [f"--output_name={self.name}", f"--strike-when={self._strike}", *_OPTIONS]
        self._trainwarden(environment, "run", self.name, "--detach", "--cwd", str(self._output), "--", *training)

    def stop(self, environment: dict[str, str]) -> None:
        """End it, so that it is in no later drill's way. What does not end so is cleared away with the ground."""
        with suppress(DrillError):
            self._trainwarden(environment, "stop", self.name)
        self.calm()
        self.simulate()

    def _trainwarden(self, environment: dict[str, str], *arguments: str) -> None:
        configured = str(self._ground.stack.rendered / "trainwarden.yml")
        try:
            done = subprocess.run(
                [sys.executable, "-m", "trainwarden", "--config", configured, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise DrillError(f"`trainwarden {arguments[0]}` did not return within {COMMAND_SECONDS:.0f} s") from error
        if done.returncode:
            raise DrillError(done.stderr.strip())

    def calm(self) -> None:
        """Take back what is simulated of a fault."""
        self.pretended = CALM

    def strike(self, fault: str) -> None:
        """Let the training meet ``hang``, ``crash`` or ``disk-full`` in its next step."""
        self._strike.write_text(fault)

    @property
    def state(self) -> RunState | None:
        """What the supervisor last wrote."""
        return self.folder.read_state()

    @property
    def progress(self) -> Progress | None:
        """How far the newest generation is."""
        state = self.state
        return best_progress(self.folder.read_progress(), state.generation) if state else None

    @property
    def generation(self) -> int:
        """The newest launch; 0 before the first."""
        return state.generation if (state := self.state) else 0

    @property
    def lives(self) -> bool:
        """Whether the process that the keeper started is there, by /proc."""
        state = self.state
        return state is not None and state.training is not None and bool(identity.lives(state.training))

    @property
    def steps(self) -> bool:
        """Whether it took a step a moment ago."""
        told = self.progress
        at = told.last_step_at if told else None
        return self.lives and at is not None and time.time() - at < STANDING_SECONDS

    def simulate(self) -> None:
        """Have the simulated card follow the scratch run: busy while it steps, full while it lives."""
        self._simulation.write(msgspec.structs.replace(self.pretended, busy=self.steps, held=self.lives))

    def ledger(self) -> list[AnyEvent]:
        """Everything that the receiver entered for it."""
        return Ledger(self.folder.ledger_path).read()

    def events(self, kind: type[E]) -> list[E]:
        """The ledger's entries of one kind."""
        return [event for event in self.ledger() if isinstance(event, kind)]
