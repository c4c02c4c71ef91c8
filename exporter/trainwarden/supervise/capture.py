"""What the processes of a run are doing, written beside the receiver's evidence just before they are stopped.

Only the supervisor sees them: the receiver may live in a container. Everything is read once and bounded; py-spy is
asked where it is installed, for it alone tells in which line of Python a training hangs.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trainwarden import system
from trainwarden.model import Member
from trainwarden.runs.folder import RunFolder

FILE = "processes.txt"
MAX_BYTES = 256 * 1024
MAX_THREADS = 16
"""Threads of a process that are told; a training has hundreds that only wait."""
PY_SPY_SECONDS = 3.0
"""For all processes together: who asked for the stop waits for the answer."""
_FACTS = ("State", "PPid", "VmRSS", "VmSwap", "Threads", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")


def write(folder: RunFolder, generation: int, members: list[Member], proc: Path = system.PROC) -> None:
    """Write ``processes.txt`` into the newest evidence of this generation, where there is none yet.

    Never raises: a stop must not fail by it.
    """
    with suppress(OSError):
        bundle = _newest(folder, generation)
        bundle.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "\n".join((*_of_kernel(members, proc), *_of_python(members)))
        with (bundle / FILE).open("xb") as file:  # a second stop finds what the first one has left of the processes
            file.write(text.encode(errors="replace")[:MAX_BYTES])


def _newest(folder: RunFolder, generation: int) -> Path:
    found = sorted(folder.evidence_path.glob(f"{generation}-*"), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else folder.evidence_path / f"{generation}-stop"


def _of_kernel(members: list[Member], proc: Path) -> Iterator[str]:
    for member in members:
        folder = proc / str(member.pid)
        command = _read(folder / "cmdline").replace("\0", " ").strip() or f"({_read(folder / 'comm').strip()})"
        yield f"=== {member.pid} {command[:2000]}"
        for line in _read(folder / "status").splitlines():
            if line.partition(":")[0] in _FACTS:
                yield line
        yield from _threads(folder)


def _threads(process: Path) -> Iterator[str]:
    """What each thread waits for in the kernel; its stack is told to root only."""
    try:
        tasks = sorted((process / "task").iterdir(), key=lambda path: int(path.name))
    except OSError:
        return
    for task in tasks[:MAX_THREADS]:
        yield f"thread {task.name} {_read(task / 'comm').strip()}: waits in {_read(task / 'wchan') or '?'}"
        stack = _read(task / "stack").rstrip()
        if stack:
            yield stack


def _of_python(members: list[Member]) -> Iterator[str]:
    program, until = shutil.which("py-spy"), time.monotonic() + PY_SPY_SECONDS
    for member in members if program else ():
        left = until - time.monotonic()
        if left <= 0 or program is None:
            return
        with suppress(OSError, subprocess.TimeoutExpired):
            command = [program, "dump", "--nonblocking", "--pid", str(member.pid)]
            said = subprocess.run(command, capture_output=True, timeout=left, check=False, text=True, errors="replace")
            yield f"=== py-spy dump {member.pid}\n{said.stdout or said.stderr}"


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
