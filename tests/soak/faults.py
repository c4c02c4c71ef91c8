"""Faults that come and go while an exporter is scraped, one cycle after the other, each cycle with runs of its own."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.collectors.samples import progress, spec, state, write
from tests.golden import kohya
from tests.support.hangfs import HangingFolder
from tests.support.nvml import FakeDriver
from trainwarden.model import Ended, Identity, Outcome, RunState
from trainwarden.runs.folder import RunFolder, runs_root
from trainwarden.system import boot_id

CYCLE = 250
"""Scrapes from one healthy moment to the next."""


@dataclass
class Faults:
    """What is wrong at which scrape of a cycle; at its end nothing is."""

    driver: FakeDriver
    hanging: HangingFolder
    models: Path
    cycle: int = 0
    due: dict[int, Callable[[], None]] = field(init=False)

    def __post_init__(self) -> None:
        self.due = {
            20: lambda: self.driver.set(gpu=0, mode="hang"),
            40: lambda: self.driver.set(gpu=0, mode="ok"),
            60: lambda: self.driver.set(gpu=1, mode="lost"),
            80: lambda: self.driver.set(gpu=1, mode="ok"),
            90: self._begin_runs,
            110: self._end_one,
            130: self._damage_one,
            150: self.hanging.hang,
            170: self.hanging.answer,
            190: self._remove_runs,
        }

    def before(self, scrape: int) -> None:
        """Do what is due before this scrape."""
        self.cycle = scrape // CYCLE
        self.due.get(scrape % CYCLE, lambda: None)()

    def train(self, name: str, models: Path) -> None:
        """A run that lives and has saved."""
        kohya.save(models, name, 2, time.time() - 3600)
        write(runs_root(), spec(name, checkpoints=str(models), output_name=name), _live(), progress(step=self.cycle))

    def step(self, name: str, step: int) -> None:
        """The run takes another step."""
        folder = RunFolder(name, runs_root())
        folder.write_state(_live())
        folder.write_progress(progress(step=step))

    @property
    def _names(self) -> tuple[str, str]:
        """They come again: the text of a run's labels is kept for the next scrape, 16 kB a name there ever was."""
        return f"ends-{self.cycle % 4}", f"breaks-{self.cycle % 4}"

    def _begin_runs(self) -> None:
        for name in self._names:
            self.train(name, self.models / name)

    def _end_one(self) -> None:
        ended = Ended(Outcome.FINISHED, time.time(), exit_code=0)
        write(runs_root(), spec(self._names[0], checkpoints=str(self.models)), _live(open=False, ended=ended))

    def _damage_one(self) -> None:
        (runs_root() / self._names[1] / "state.json").write_text("{")

    def _remove_runs(self) -> None:
        for name in self._names:
            shutil.rmtree(runs_root() / name)
            shutil.rmtree(self.models / name)


def _live(**facts: object) -> RunState:
    return state(beat_at=time.time(), training=Identity(boot_id(), 1, 1, 1), **facts)
