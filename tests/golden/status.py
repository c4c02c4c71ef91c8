"""What ``trainwarden status`` says of the recorded machine.

``python -m tests.golden.status FOLDER`` builds it in FOLDER and prints the report; a child of ``render``, as for its
metrics.
"""

import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console

from tests.golden import host, machine
from tests.golden.runs import NOW
from tests.support.nvml import FakeDriver
from trainwarden.status.draw import drawn
from trainwarden.status.lookout import Lookout
from trainwarden.status.report import Report


def report(library: Path, folder: Path) -> Report:
    """What is told of this machine."""
    driver = FakeDriver(library, folder / "nvml.script", gpus=2)
    machine.describe(driver)
    command = [sys.executable, "-m", "tests.golden.status", str(folder)]
    environment = {**os.environ, **driver.environment()}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    return msgspec.json.decode(said.stdout.replace(str(folder), "/home/user"), type=Report)


def as_json(told: Report) -> str:
    """As ``--json`` prints it."""
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def as_text(told: Report, *, whole: bool = True, columns: int = 80, colour: bool = False) -> str:
    """As it stands on a terminal, in UTC."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        system: Literal["standard"] | None = "standard" if colour else None  # whatever terminal the tests have
        console = Console(file=io.StringIO(), width=columns, force_terminal=colour, color_system=system, no_color=False)
        console.print(drawn(told, whole=whole))
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()
    written = console.file.getvalue()
    return "".join(f"{line.rstrip()}\n" for line in written.splitlines())


def main(folder: Path) -> None:
    os.statvfs = lambda _: host.ROOM  # the disk beneath this folder is not the recorded machine's
    recorded = machine.build(folder)
    proc = folder / "proc"
    lookout = Lookout(machine.CONFIG, folder / "runs", proc, lambda: NOW, machine=recorded)
    sys.stdout.write(as_json(lookout.look()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
