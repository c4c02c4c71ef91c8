"""The machine whose ``/metrics`` is golden: the guide's own with a second card beside its first, and three runs.

``python -m tests.golden.machine FOLDER`` builds it in FOLDER and prints its metrics; a child of ``render``, because the
fake GPU driver is found through the environment that a process starts with.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.golden import host, runs
from tests.golden.runs import GIB, NOW
from tests.support.nvml import FakeDriver
from tests.support.wait import wait_until
from trainwarden import system, textformat
from trainwarden.collectors.machine import Machine
from trainwarden.config import Config, ExporterConfig

XID = "driver event 1 63\n"
"""A row of the second card's memory was replaced; the driver reports it to whoever listens by then."""

CONFIG = Config(exporter=ExporterConfig(gpu_pcie=True, gpu_pids=True))


def render(library: Path, folder: Path) -> str:
    """The golden text: what the exporter of this machine says."""
    driver = FakeDriver(library, folder / "nvml.script", gpus=2)
    describe(driver)
    command = [sys.executable, "-m", "tests.golden.machine", str(folder)]
    environment = {**os.environ, **driver.environment()}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    return _normalised(said.stdout)


def describe(driver: FakeDriver) -> None:
    """Make the driver tell of the machine's cards."""
    driver.set(
        gpu=0, processes=[(4242, int(15.1 * GIB)), (1711, int(0.5 * GIB))], pcie_receive=21_000, pcie_transmit=900
    )
    driver.set(
        gpu=1,
        name="NVIDIA A100-SXM4-80GB",
        memory_total=80 * GIB,
        memory_used=9 * GIB,
        utilization=None,
        processes=[(5100, 8 * GIB)],
        migs=[("MIG-00000000-0000-4000-8000-000000000001", "1g.10gb", 8 * GIB, 10 * GIB)],
    )


def _normalised(text: str) -> str:
    text = re.sub(r"(?m)^(trainwarden_collector_duration_seconds\{.*\}) .*$", r"\1 0.001", text)
    text = re.sub(r"(?m)^(trainwarden_gpu_xid_last_timestamp_seconds\{.*\}) .*$", rf"\1 {NOW - 60}", text)
    return re.sub(r'(trainwarden_build_info\{version=)"[^"]*"', r'\1"0.0.0"', text)


def build(folder: Path) -> Machine:
    """Make the machine's files under ``folder``."""
    proc = folder / "proc"
    host.write(proc)
    runs.build(folder / "runs", folder / "models", system.pid_namespace(proc))
    return Machine(CONFIG, folder / "runs", proc, clock=lambda: NOW)


def main(folder: Path) -> None:
    """Let the driver report an error once it is listened to, and print what is said when that has come through."""
    os.statvfs = lambda _: host.ROOM  # the disk beneath this folder is not the recorded machine's
    machine = build(folder)
    machine.collect()
    script = Path(os.environ["FAKE_NVML_SCRIPT"])
    system.replace_file(script, script.read_bytes() + XID.encode())
    sys.stdout.write(wait_until(lambda: _with_xid(machine), 30, "the XID error"))


def _with_xid(machine: Machine) -> str:
    text = textformat.write(machine.collect(anew=True)).decode()
    return text if "trainwarden_gpu_xid_errors_total{" in text else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
