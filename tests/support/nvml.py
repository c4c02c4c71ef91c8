"""A GPU driver that can be seen without a GPU: builds the fake of ``tests/fakes/nvml`` and scripts it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trainwarden.system import replace_file

SOURCES = Path(__file__).resolve().parent.parent / "fakes/nvml"
SONAME = "libnvidia-ml.so.1"
GIB = 1024**3

A_GPU: dict[str, Any] = {
    "mode": "ok",
    "name": "NVIDIA GeForce RTX 4080",
    "utilization": 99,
    "memory_used": int(15.8 * GIB),
    "memory_total": int(16.3 * GIB),
    "temperature": 47,
    "power": 250_000,
    "power_limit": 320_000,
    "clock_sm": 2505,
    "clock_memory": 11_201,
    "performance_state": 2,
    "throttle": 0x4,
    "throttle_supported": 0x1FF,
    "fan": 30,
    "events": 1,
    "fields": {83: 5_400_000_000, 74: 12_000_000_000, 75: 0, 185: 250_000, 190: 320_000},
    "processes": (),
}
"""The guide's own card in a balanced run. Bytes, percent, Celsius, milliwatts, megahertz, as NVML has them."""


def uuid_of(gpu: int) -> str:
    """The UUID that a fake GPU has unless a test gives it another."""
    return f"GPU-00000000-0000-4000-8000-{gpu:012d}"


def pci_of(gpu: int) -> str:
    """The PCI address that a fake GPU has unless a test gives it another."""
    return f"00000000:{gpu + 1:02X}:00.0"


class FakeDriver:
    """The script of one fake driver. What a process reads from it changes with the next call that it makes."""

    def __init__(self, library: Path, script: Path, gpus: int = 1) -> None:
        self.library = library
        self.script = script
        self._driver: dict[str, Any] = {"mode": "ok", "version": "550.54.15", "delay_us": 0}
        self._gpus: list[dict[str, Any]] = []
        self._events: list[tuple[int, int]] = []
        self.resize(gpus)

    def resize(self, gpus: int) -> None:
        """Have so many GPUs; those that stay keep what they were told."""
        new = ({**A_GPU, "uuid": uuid_of(index), "pci": pci_of(index)} for index in range(len(self._gpus), gpus))
        self._gpus = [*self._gpus[:gpus], *new]
        self._write()

    def set(self, gpu: int | None = None, **facts: Any) -> None:
        """Change facts of one GPU, or of the driver itself (``mode``, ``version``, ``delay_us``, ``lacks``).

        None takes a fact away: the driver then answers that it does not support it.
        """
        (self._driver if gpu is None else self._gpus[gpu]).update(facts)
        self._write()

    def field(self, gpu: int, number: int, value: int | None) -> None:
        """Change one field value (``nvmlDeviceGetFieldValues``) of a GPU; None takes it away."""
        fields = {**self._gpus[gpu]["fields"], number: value}
        self.set(gpu=gpu, fields={key: given for key, given in fields.items() if given is not None})

    def xid(self, gpu: int, number: int) -> None:
        """Report an XID error to whoever waits for one."""
        self._events.append((gpu, number))
        self._write()

    def environment(self) -> dict[str, str]:
        """What a child needs in its environment to find this driver."""
        paths = (str(self.library.parent), os.environ.get("LD_LIBRARY_PATH"))
        return {"LD_LIBRARY_PATH": ":".join(filter(None, paths)), "FAKE_NVML_SCRIPT": str(self.script)}

    def close(self) -> None:
        """End every call that hangs: without a script the driver is not loaded."""
        self.script.unlink(missing_ok=True)

    def _write(self) -> None:
        lacks = self._driver.get("lacks", ())
        lines = [f"driver {key} {value}" for key, value in self._driver.items() if key != "lacks"]
        lines += [f"driver lacks {call}" for call in lacks]
        lines += [f"driver event {gpu} {xid}" for gpu, xid in self._events]
        for index, gpu in enumerate(self._gpus):
            lines += [f"gpu {index} {fact}" for fact in _facts(gpu)]
        replace_file(self.script, "".join(f"{line}\n" for line in lines).encode())


def _facts(gpu: dict[str, Any]) -> Iterator[str]:
    for key, value in gpu.items():
        if value is None:
            continue
        if key == "processes":
            yield "process"
            yield from (f"process {pid}" + ("" if memory is None else f" {memory}") for pid, memory in value)
        elif key == "migs":
            yield "mig"
            yield from (f"mig {' '.join(map(str, mig))}" for mig in value)
        elif key == "fields":
            yield from (f"field {number} {number_value}" for number, number_value in value.items())
        else:
            yield f"{key} {value}"


def build_library(folder: Path) -> Path:
    """Compile the fake into ``folder`` (a fraction of a second) and return the library's path."""
    compiler = shutil.which("cc")
    if compiler is None:
        sentence = "the fake GPU driver needs a C compiler: install one (apt install gcc), so that `cc` is on the PATH"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / SONAME
    sources = sorted(map(str, SOURCES.glob("*.c")))
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", f"-Wl,-soname,{SONAME}")
    subprocess.run([str(compiler), *flags, "-o", str(library), *sources], check=True)
    return library


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fake ``libnvidia-ml.so.1``, built once a session."""
    return build_library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def nvml(nvml_library: Path, tmp_path: Path) -> Iterator[FakeDriver]:
    """A driver with one GPU, busy as in the guide's balanced run."""
    driver = FakeDriver(nvml_library, tmp_path / "nvml.script")
    yield driver
    driver.close()
