"""What goes wrong on demand. The errors are worded as PyTorch words them.

What strikes at a step strikes only in a process that did not resume: a run that was resumed behind it trains on.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from trainwarden.demo.options import Options

_CUDA_ERROR = """\
CUDA error: unknown error
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.
"""
_OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 16.00 GiB of which 214.00 MiB is "
    "free. Including non-PyTorch memory, this process has 15.78 GiB memory in use. Of the allocated memory 14.90 GiB "
    "is allocated by PyTorch, and 512.31 MiB is reserved by PyTorch but unallocated."
)


class OutOfMemoryError(RuntimeError):
    """Printed as PyTorch prints its own."""


OutOfMemoryError.__module__ = "torch"


def prepare(options: Options) -> None:
    """What is wrong from the start: SIGTERM ignored; a child in another session that outlives this process."""
    if options.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.spawn_child:
        subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(3600)"],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def strike(options: Options, step: int) -> None:
    """What is to go wrong inside ``step`` of the run (from 1), if anything."""
    needs_more = options.oom_above_vae_batch is not None and options.vae_batch_size > options.oom_above_vae_batch
    if needs_more and step == options.oom_at_step:
        raise OutOfMemoryError(_OUT_OF_MEMORY)
    if options.resume is not None:
        if options.crash_after_resume:
            raise RuntimeError(_CUDA_ERROR)
        return
    if step == options.crash_at_step:
        raise RuntimeError(_CUDA_ERROR)
    if step == options.oom_at_step and options.oom_above_vae_batch is None:
        raise OutOfMemoryError(_OUT_OF_MEMORY)
    if step == options.hang_at_step:
        _hang()
    if options.strike_when is not None and options.strike_when.exists():
        _strike(options.strike_when.read_text().strip())


def _strike(fault: str) -> None:
    if fault == "hang":
        _hang()
    if fault == "crash":
        raise RuntimeError(_CUDA_ERROR)
    if fault == "disk-full":
        with Path("/dev/full").open("wb", buffering=0) as full:  # the kernel's own full disk
            full.write(b"a checkpoint")


def _hang() -> None:
    never_written, _ = os.pipe()
    os.read(never_written, 1)
