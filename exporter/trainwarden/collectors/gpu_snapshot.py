"""What the GPUs hold right now, asked by a throwaway child: ``python -m trainwarden.collectors.gpu_snapshot``.

A hung driver never gives a call back, and to kill a process inside such a call can wedge WSL2. So whoever must not
hang (`trainwarden run`, the receiver's memory gate) lets a child ask, and leaves it alone where it does not answer.
"""

import subprocess
import sys

import msgspec
from msgspec import Struct

from trainwarden.errors import TrainwardenError


class GpuUse(Struct, frozen=True, kw_only=True):
    """One card that answers. None: this driver does not tell."""

    index: int
    uuid: str
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    utilization_ratio: float | None


class Snapshot(Struct, frozen=True):
    """What the child prints. No card at all is an empty list."""

    gpus: list[GpuUse]


def snapshot(timeout: float) -> list[GpuUse] | None:
    """Ask the driver through a child, at most ``timeout`` seconds. None: it did not answer, or not as it should."""
    command = [sys.executable, "-m", "trainwarden.collectors.gpu_snapshot"]
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        said, _ = child.communicate(timeout=timeout)
        return msgspec.json.decode(said, type=Snapshot).gpus if child.returncode == 0 else None
    except (subprocess.TimeoutExpired, msgspec.MsgspecError):
        return None


def read() -> Snapshot:
    """Ask the driver in this process, a lost card left out. Raises ``DriverError``; may never return."""
    from trainwarden.collectors.gpu.driver import Driver, read_unless_lost

    driver = Driver()
    driver.prepare()
    found = [read_unless_lost(card) for card in driver.session.cards] if driver.session else []
    return Snapshot([msgspec.convert(gpu, GpuUse, from_attributes=True) for gpu in found if gpu is not None])


def main() -> int:
    """Print the snapshot as JSON; one sentence and exit code 1 where the driver does not answer as it should."""
    try:
        print(msgspec.json.encode(read()).decode())
    except TrainwardenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
