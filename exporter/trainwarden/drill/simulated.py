"""The drill's own GPU, RAM and room on the disk: readings in a file that the drill writes, and sensors that read it.

Nothing but the drill's exporter has these sensors. The card says by its name that it is none, on every page.
"""

from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden import system
from trainwarden.collectors import checkpoints, gpu, host
from trainwarden.collectors.base import Card
from trainwarden.deadline import Asked, Deadline
from trainwarden.guide import GIB

READ_SECONDS = 0.5
"""For reading the file."""
UUID = "GPU-simulated-by-trainwarden-drill"
NAME = "simulated by trainwarden drill"
TOTAL_BYTES = int(16.3 * GIB)
"""The guide's own card."""


class Readings(Struct, frozen=True, kw_only=True):
    """What is simulated right now. None: the real one."""

    busy: bool = False
    """Whether the scratch run takes steps: 99 % utilisation, else 0."""
    held: bool = False
    """Whether the scratch run lives, and so holds 15.5 GiB of the card, else 0.3."""
    temperature_celsius: float = 62.0
    memory_used_ratio: float | None = None
    """Of the machine's RAM, 0 to 1."""
    disk_available_bytes: int | None = None
    """Where the scratch run saves."""


CALM_RATIO = 0.3
"""Of the RAM that is in use where nothing leaks: a machine that is full anyway would alarm before the fault."""
CALM = Readings(memory_used_ratio=CALM_RATIO)
"""Nothing is wrong."""


class Simulation:
    """The file of readings, written by the drill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: Readings | None = None

    def write(self, readings: Readings) -> None:
        """Replace the file, where something is different."""
        if readings != self._last:
            system.replace_file(self.path, msgspec.json.encode(readings))
            self._last = readings


class SimulatedGpus:
    """One card, in the place of the driver's."""

    def __init__(self, path: Path) -> None:
        self.known = {UUID: Card(0, NAME)}
        self._path = path

    def begin(self, seconds: float, *, anew: bool) -> Asked[gpu.GpusReading]:  # noqa: ARG002  (always is)
        """Begin to read the card."""
        return Deadline[gpu.GpusReading]("the simulated card", READ_SECONDS).begin(self.read, seconds)

    def read(self) -> gpu.GpusReading:
        """The card as the file has it."""
        return gpu.GpusReading(listed=1, expected=1, driver_version="simulated", gpus=(_card(_read(self._path)),))


def host_reader(path: Path) -> "partial[host.HostReading]":
    """Reads the real host, with as much RAM in use as the file says."""
    return partial(_host, path)


def _host(path: Path) -> host.HostReading:
    real, ratio = host.read(), _read(path).memory_used_ratio
    if ratio is None:
        return real
    return msgspec.structs.replace(real, memory_available=int(real.memory_total * (1 - ratio)))


def disk_reader(path: Path) -> checkpoints.DiskReader:
    """Reads the real file system, with as much room on it as the file says."""
    return partial(_disk, path)


def _disk(path: Path, folder: Path) -> checkpoints.Disk:
    real, available = checkpoints.disk_of(folder), _read(path).disk_available_bytes
    return real if available is None else msgspec.structs.replace(real, available_bytes=available)


def _card(now: Readings) -> gpu.Gpu:
    used = int((15.5 if now.held else 0.3) * GIB)
    return gpu.Gpu(
        index=0,
        uuid=UUID,
        name=NAME,
        up=True,
        utilization_ratio=0.99 if now.busy else 0.0,
        memory_total_bytes=TOTAL_BYTES,
        memory_used_bytes=used,
        memory_free_bytes=TOTAL_BYTES - used,
        temperature_celsius=now.temperature_celsius,
    )


def _read(path: Path) -> Readings:
    return msgspec.json.decode(path.read_bytes(), type=Readings)
