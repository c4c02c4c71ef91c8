"""`trainwarden exec NAME`: what a job runs whose own command line cannot be changed from launch to launch.

It takes the newest order of the run, which happens once, and runs it as its child, for somebody has to see how it ends.
Started without an order (a scheduler that starts the job again by itself, say) it refuses: that would be a start from
zero.
"""

import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from trainwarden import system
from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.launchers.engine import Order
from trainwarden.model import Identity
from trainwarden.runs.ending import HAND_SIGNALS
from trainwarden.runs.folder import RunFolder
from trainwarden.runs.identity import identify
from trainwarden.supervise.kept import Exit

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Schedulers and people send these to who leads the job."""
_ORDER = re.compile(r"order\.(\d+)\.json")

T = TypeVar("T")


def execute(folder: RunFolder) -> int:
    """Run what is ordered, its output into the run's log, and return its exit status, 128 + the number for a signal.

    Raises ``TrainwardenError`` where nothing is ordered, or the program cannot be run.
    """
    order = take(folder)
    environment = {"PYTHONUNBUFFERED": "1", **os.environ, **order.environment}
    try:
        with Path(order.output).open("ab") as output:
            child = subprocess.Popen(order.argv, cwd=order.cwd, env=environment, stdout=output, stderr=output)
    except OSError as error:
        raise RefusedError(f"run '{folder.name}': {error.filename or order.argv[0]}: {error.strerror}") from error

    def pass_on(signum: int, _: object) -> None:
        if signum in HAND_SIGNALS:  # written first: who sends it may end this process before the training has ended
            _write_exit(folder, order, Exit(code=None, signal=signum, at=time.time()))
        child.send_signal(signum)

    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    status = child.wait()
    code, killed_by = (status, None) if status >= 0 else (None, -status)
    _write_exit(folder, order, Exit(code=code, signal=killed_by, at=time.time()))
    return status if status >= 0 else 128 - status


def _write_exit(folder: RunFolder, order: Order, ended: Exit) -> None:
    with suppress(OSError):  # a full disk: then the engine's own word has to do
        system.replace_file(folder.exited_path(order.generation), msgspec.json.encode(ended), durable=True)


def take(folder: RunFolder) -> Order:
    """The newest order, taken: nobody else will run it. Raises ``RefusedError`` where there is none to take."""
    order = _newest(folder)
    if order is None:
        raise RefusedError(f"run '{folder.name}' has no order; start it with `trainwarden run {folder.name}`")
    mine = folder.path / f".taken.{order.generation}.{os.getpid()}"
    mine.write_bytes(msgspec.json.encode(identify(os.getpid())))
    try:
        os.link(mine, folder.taken_path(order.generation))  # whole, and only for the first
    except FileExistsError:
        raise RefusedError(
            f"generation {order.generation} of run '{folder.name}' was launched already, and nothing says from where "
            "to go on; a launch now would begin from zero"
        ) from None
    finally:
        mine.unlink()
    return order


def _newest(folder: RunFolder) -> Order | None:
    found = (_ORDER.fullmatch(path.name) for path in folder.path.glob("order.*.json"))
    numbers = [int(match[1]) for match in found if match is not None]
    return _read(folder.order_path(max(numbers)), Order) if numbers else None


def read_taken(folder: RunFolder, generation: int) -> Identity | None:
    """The `trainwarden exec` that took the generation's order; None where none did."""
    return _read(folder.taken_path(generation), Identity)


def read_exit(folder: RunFolder, generation: int) -> Exit | None:
    """How the generation ended, where it ran under `trainwarden exec`."""
    return _read(folder.exited_path(generation), Exit)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RunFolderError(f"{path}: {error}") from error
