"""A machine whose readings a test says, looked at by the real collectors in this process."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import progress, spec, state, write
from trainwarden import system
from trainwarden.collectors import gpu, host
from trainwarden.collectors.base import Begun, Card
from trainwarden.collectors.machine import Machine
from trainwarden.config import Config
from trainwarden.model import Identity
from trainwarden.runs.folder import RunFolder
from trainwarden.status.lookout import Lookout
from trainwarden.status.report import Report, Signal

GIB = 1024**3
UUID = "GPU-0"


def living() -> Identity:
    """This process, in the place of a training."""
    found = system.read_stat(os.getpid())
    assert found is not None
    return Identity(system.boot_id(), os.getpid(), found.start_time, system.pid_namespace())


class Said:
    """A reading that is back at once."""

    took = 0.0

    def __init__(self, reading: gpu.GpusReading) -> None:
        self._reading = reading

    def settle(self, seconds: float) -> None: ...

    def result(self) -> gpu.GpusReading:
        return self._reading


class World:
    """What the machine tells next."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = Config()
        self.host: dict[str, Any] = {
            "memory_total": 30 * GIB,
            "memory_available": 20 * GIB,
            "swap_total": 8 * GIB,
            "swap_used": 0,
        }
        self.card: dict[str, Any] | None = {
            "up": True,
            "name": "a card",
            "temperature_celsius": 47.0,
            "utilization_ratio": 0.99,
            "memory_used_bytes": 95,
            "memory_total_bytes": 100,
        }
        self.second = ""
        """The name of a second card; empty where there is none."""
        self.known = {UUID: Card(0, "a card")}
        self.late = 0
        """For how many looks the driver does not answer in time."""

    def begin(self, seconds: float, *, anew: bool) -> Begun[gpu.GpusReading]:
        if self.late:
            self.late -= 1
            return Said(gpu.GpusReading(faults=("the NVIDIA driver has not answered",), timeouts=1))
        cards = () if self.card is None else (gpu.Gpu(index=0, uuid=UUID, **self.card),)
        if self.second:
            cards += (gpu.Gpu(index=1, uuid="GPU-1", up=True, name=self.second),)
        self.known = {card.uuid: Card(card.index, card.name) for card in cards}
        return Said(gpu.GpusReading(listed=len(cards), gpus=cards))

    def run(self, name: str = "luca", *parts: Any, **facts: Any) -> RunFolder:
        """A run in training; ``facts`` are of its ``run.json``."""
        now = time.time()
        alive = state(training=living(), supervisor=living(), beat_at=now, started_at=now - 7200)
        steps = progress(beat_at=now, phase_since=now - 7000, step=400, max_steps=1000, last_step_at=now - 1)
        return write(self.root, spec(name, **facts), *(parts or (alive, steps)))

    def look(self) -> Report:
        machine = Machine(self.config, self.root, gpus=self, read_host=lambda: host.HostReading(**self.host))
        return Lookout(self.config, self.root, machine=machine).look()

    def signal(self, name: str) -> Signal:
        """The machine's only one of this name."""
        (found,) = [signal for signal in self.look().machine.signals if signal.signal == name]
        return found

    def run_signal(self, name: str, run: str = "luca") -> Signal:
        (found,) = [signal for signal in self.look().runs[run].signals if signal.signal == name]
        return found


@pytest.fixture
def world(state_home: Path) -> World:
    return World(state_home / "trainwarden/runs")
