"""A run as the receiver sees it, without processes: a real run folder, real checkpoints, and a fake launcher.

The fake refuses by the supervisor's own ``starting.check``. It is tested itself, in ``test_world.py``.
"""

import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.checkpoints.making import make_state
from trainwarden.config import Config
from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import (
    Budget,
    Ended,
    Identity,
    Limits,
    Member,
    Outcome,
    Phase,
    Progress,
    Resume,
    RunSpec,
    RunState,
)
from trainwarden.restart.desk import Desk, Tools
from trainwarden.restart.events import AnyEvent, Held, Moment
from trainwarden.restart.exporter import ExporterReading, GpuReading
from trainwarden.restart.intake import Notice, take_in
from trainwarden.restart.procedure import tick
from trainwarden.restart.states import HoldReason, Intake, State
from trainwarden.runs.control import Start
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import starting

BOOT = "0c5d6e1a-boot"
GPU = "GPU-00000000-0000-4000-8000-000000000000"
GIB = 1024**3
WALL = 1_790_000_000.0
"""When a world begins, Unix seconds. Its checkpoints are as old, or younger."""
LIMITS = Limits(look_apart=5, pause_after_stop=60, decide_again=60, checkpoint_settle=5, gpu_memory_timeout=600)


class World:
    """One run, its supervisor's answers, and the exporter's; and the time."""

    def __init__(self, root: Path, **spec: Any) -> None:
        self.root = root / "runs"
        self.checkpoints = root / "checkpoints"
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {"limits": LIMITS, "budget": Budget(), "gpu_baseline_bytes": {GPU: 1 * GIB}, **spec}
        self.spec = RunSpec(
            name="luca",
            run_id="run-1",
            command=["python", "train_network.py"],
            cwd=str(root),
            recipe="kohya",
            checkpoints=str(self.checkpoints),
            output_name="luca",
            created_at=WALL - 100_000,
            **settings,
        )
        self.folder = RunFolder("luca", self.root)
        self.folder.create()
        self.folder.write_spec(self.spec)
        self.wall, self.mono = WALL, 50_000.0
        self.launched: list[tuple[str, int]] = []
        """What was really launched: checkpoint and generation."""
        self.asked_to_stop: list[tuple[bool, str]] = []
        self.answers = True
        """Whether the supervisor answers."""
        self.refuses = ""
        """Why the supervisor would launch nothing."""
        self.ignores_sigterm_for = 0
        """Probes for which a stop does not end the members."""
        self.exporter: ExporterReading | None = exporter_reading()
        self.state = RunState(
            run_id="run-1",
            generation=1,
            open=True,
            beat_at=self.wall,
            beat_monotonic=self.mono,
            started_at=WALL - 90_000,
            training=Identity(BOOT, 4242, 1, 1),
            members=[Member(4242, 1, "S")],
        )
        self.progress = Progress(
            writer="output", generation=1, phase=Phase.TRAINING, phase_since=self.wall, beat_at=self.wall,
            step=500, max_steps=10_000, steps_done=500, median_step_seconds=2.5,
        )  # fmt: skip
        self._save()

    # --- what a training does -------------------------------------------------------------------------------
    def save(self, epoch: int, age: float = 3600.0) -> Path:
        """A whole checkpoint of this epoch."""
        saved = make_state(self.checkpoints / f"luca-{epoch:06d}-state", epoch, at=self.wall - age)
        os.utime(self.checkpoints, (self.wall, self.wall))  # by this world's clock, which runs faster than the disk's
        return saved

    def step(self, count: int) -> None:
        """The training takes steps, and its GPU works."""
        self.progress = replace(
            self.progress,
            step=(self.progress.step or 0) + count,
            steps_done=self.progress.steps_done + count,
            beat_at=self.wall,
        )
        self.state = replace(self.state, cpu_seconds=self.state.cpu_seconds + count)
        self.exporter = exporter_reading(0.99)
        self._save()

    def end(
        self, outcome: Outcome = Outcome.CRASHED, *, code: int | None = 1, words: str = "", signal: int | None = None
    ) -> None:
        """The training is gone."""
        ended = Ended(outcome=outcome, at=self.wall, exit_code=code, signal=signal)
        is_open = outcome in (Outcome.CRASHED, Outcome.STOPPED_FOR_RESTART)
        self.state = replace(self.state, ended=ended, members=[], last_words=words, open=is_open, stopping_since=None)
        self._save()

    def set(self, **changes: Any) -> None:
        """Change what the supervisor says."""
        self.state = replace(self.state, **changes)
        self._save()

    def set_progress(self, **changes: Any) -> None:
        """Change what the follower says."""
        self.progress = replace(self.progress, **changes)
        self._save()

    def _save(self) -> None:
        self.folder.write_state(self.state)
        self.folder.write_progress(self.progress)

    # --- the launcher's contract ----------------------------------------------------------------------------
    def probe(self) -> RunState:
        self._answer()
        if self.state.stopping_since is not None:
            self.ignores_sigterm_for -= 1
            if self.ignores_sigterm_for < 0:
                self.end(Outcome.STOPPED_FOR_RESTART, code=None)
        self.set(beat_at=self.wall, beat_monotonic=self.mono)
        return self.state

    def stop(self, *, final: bool, reason: str) -> None:
        self._answer()
        self.asked_to_stop.append((final, reason))
        if self.state.ended is None:
            self.set(stopping_since=self.wall, stop_by="receiver")
        if final:
            self.set(open=False)

    def rehearse(self, checkpoint: str, generation: int, remedy: str = "") -> None:
        self._answer()
        self._check(Start(checkpoint, generation, rehearsal=True, remedy=remedy))

    def _check(self, request: Start) -> None:
        starting.check(request, self.state)
        if not Path(request.checkpoint).is_dir():
            raise RefusedError(f"{request.checkpoint}: is not a checkpoint of this run")
        if self.refuses:
            raise RefusedError(self.refuses)

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        self._answer()
        self._check(Start(checkpoint, generation, remedy=remedy))
        self.launched.append((Path(checkpoint).name, generation))
        self.exporter = exporter_reading(0.0)
        self.progress = replace(
            self.progress, generation=generation, phase=Phase.STARTING, step=None, steps_done=0, beat_at=self.wall
        )
        self.set(
            generation=generation,
            ended=None,
            stop_by="",
            started_at=self.wall,
            members=[Member(4300 + generation, 1, "S")],
            training=Identity(BOOT, 4300 + generation, 1, 1),
            resumed_from=Resume(checkpoint, None, None),
            last_words="",
        )
        return self.state

    def _answer(self) -> None:
        if not self.answers:
            raise RunFolderError("run 'luca': its supervisor does not answer")

    # --- the receiver ---------------------------------------------------------------------------------------
    def now(self) -> Moment:
        return Moment(self.wall, self.mono)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds

    def desk(self, config: Config | None = None) -> Desk:
        """A new receiver's desk, as it finds the ledger."""
        tools = Tools(
            config=config or Config(),
            launcher_for=lambda _: self,
            read_exporter=lambda _: self.exporter,
            boot_id=BOOT,
            clock=self.now,
        )
        return Desk(self.folder, self.folder.read_spec() or self.spec, tools)

    def alert(
        self, desk: Desk, name: str = "TrainwardenRunHung", *, generation: int = 1, firing: bool = True
    ) -> Intake:
        """An alert for the run arrives."""
        return take_in(desk, Notice(name, "luca", generation, firing, "f1", "2026-09-21T00:00:00Z"), self.now())

    def run(self, desk: Desk, seconds: float, every: float = 1.0) -> None:
        """Let the receiver work for so long."""
        for _ in range(int(seconds / every)):
            tick(desk, self.now())
            self.pass_time(every)
        tick(desk, self.now())

    def events(self, desk: Desk) -> list[str]:
        """What the ledger holds, in order."""
        return [type(event).__name__ for event in ledger(desk)]


def ledger(desk: Desk) -> list[AnyEvent]:
    from trainwarden.restart.ledger import Ledger

    return Ledger(desk.folder.ledger_path).read()


def last_hold(desk: Desk) -> HoldReason | None:
    return next((event.reason for event in reversed(ledger(desk)) if isinstance(event, Held)), None)


def exporter_reading(ratio: float | None = 0.0, used: float = 1.2 * GIB, free: float = 14 * GIB) -> ExporterReading:
    gpu = GpuReading(utilization_ratio=ratio, memory_used_bytes=used, memory_free_bytes=free)
    return ExporterReading(driver_answers=True, run_gpus=(GPU,), gpus={GPU: gpu})


OPEN_STATES = [state for state in State if state not in (State.WATCHING, State.GAVE_UP)]
