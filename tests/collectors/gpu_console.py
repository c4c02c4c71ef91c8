"""The GPU sensor in a child, before the fake driver: the tests' own process must not load that library."""

from typing import Any

from tests.support.console import Console
from tests.support.nvml import FakeDriver, uuid_of

PRELUDE = """
import ctypes, time
from msgspec import to_builtins
from pathlib import Path
from trainwarden.collectors.gpu import Driver, Gpus, asking, card, sensor
gpus = Gpus(Driver(retry_seconds=0))
def read(): return to_builtins(gpus.read())
def timed(seconds=1e9):
    began = time.monotonic()
    return {**to_builtins(gpus.read(seconds)), "took": time.monotonic() - began}
def calls():
    count = ctypes.CDLL("libnvidia-ml.so.1").fakeNvmlCalls
    before = count()
    gpus.read()
    return count() - before
"""


def sensor_console(nvml: FakeDriver) -> Console:
    """A child that has ``gpus`` (the sensor), ``read()``, ``timed()`` and ``calls()``."""
    return Console(PRELUDE, nvml.environment())


def up(reading: dict[str, Any]) -> dict[str, bool]:
    """Whether each card is up, by UUID."""
    return {gpu["uuid"]: gpu["up"] for gpu in reading["gpus"]}


def all_but(down: set[int], gpus: int = 8) -> dict[str, bool]:
    """What ``up`` says where those are down."""
    return {uuid_of(gpu): gpu not in down for gpu in range(gpus)}
