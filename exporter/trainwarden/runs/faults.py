"""Error text → what went wrong. One line is enough; a traceback is known by its last line."""

import re
import signal
from typing import NamedTuple

from trainwarden.model import ErrorKind

_HEAD = 8192
"""Characters of a line in which error text is looked for."""
_MAX_TEXT = 200


class Fault(NamedTuple):
    """A line that says that something went wrong."""

    kind: ErrorKind
    text: str
    """Shortened, without control characters."""
    consequence: bool = False
    """It only follows from another line: neither counted nor shown in its place."""


def _rule(pattern: str, kind: ErrorKind, consequence: bool = False) -> tuple[re.Pattern[str], ErrorKind, bool]:
    return re.compile(pattern), kind, consequence


_EXCEPTION = r"^\s{0,8}(?:\[\w{1,20}\]:\s{0,4}){0,2}(?:\w{1,80}\.){0,8}"
"""What stands before an exception's name in the last line of a traceback: the rank, and the module."""

_DEADLY = "(?:4|6|7|8|9|11)"
"""SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV: nobody sends them to end a training in order."""

_SHELL = r"^(?:[^:]{1,80}: line \d{1,6}: +\d{1,9} )?"
_SHELL_END = r"(?: \(core dumped\))?(?:\s|$)"

_RULES = (
    _rule(r"OutOfMemoryError: |(?:^|: )CUDA out of memory|CUDA out of memory\. Tried", ErrorKind.CUDA_OUT_OF_MEMORY),
    _rule(r"CUDA error: out of memory|CU\w{2,6}_STATUS_ALLOC_FAILED", ErrorKind.CUDA_OUT_OF_MEMORY),
    _rule(r"DefaultCPUAllocator: (?:can't|not enough)|Cannot allocate memory", ErrorKind.HOST_OUT_OF_MEMORY),
    _rule(rf"{_EXCEPTION}MemoryError\b", ErrorKind.HOST_OUT_OF_MEMORY),
    # Before CUDA: "NCCL error in: …, unhandled cuda error".
    _rule(r"Watchdog caught collective operation timeout|NCCL error|\bnccl[A-Z]\w{1,40}Error", ErrorKind.NCCL),
    _rule(r"CUDA kernel errors might be asynchronously reported", ErrorKind.CUDA_ERROR, consequence=True),
    _rule(r"CUDA (?:driver )?error: unknown error|CUDA unknown error", ErrorKind.CUDA_UNKNOWN),
    _rule(r"CU(?:BLAS|DNN|FFT|RAND|SOLVER|SPARSE)_STATUS_(?!SUCCESS)|\bcu(?:DNN|FFT) error: ", ErrorKind.CUDA_LIBRARY),
    _rule(r"CUDA (?:driver )?error: |\bdxgk: .{0,200}\bfailed\b", ErrorKind.CUDA_ERROR),
    _rule(r"No space left on device|Disk quota exceeded|PytorchStreamWriter failed", ErrorKind.DISK_FULL),
    # torch.save's second exception, after the write that failed.
    _rule(r"inline_container\.cc:\d{1,6}\] \. unexpected pos", ErrorKind.DISK_FULL, consequence=True),
    # torchrun sums a death up in a table, below the line that reported it.
    _rule(rf"^\s{{0,8}}(?:exitcode\s{{0,8}}: -|traceback : Signal ){_DEADLY}\b", ErrorKind.KILLED, consequence=True),
    _rule(r"died with <Signals\.SIGBUS|\(exitcode: -7\)", ErrorKind.BUS_ERROR),
    _rule(rf"died with <Signals\.\w{{4,10}}: {_DEADLY}>|\(exitcode: -{_DEADLY}\)", ErrorKind.KILLED),
    # Before the data loader: what a full /dev/shm looks like.
    _rule(r"is killed by signal: Bus error|Unexpected bus error encountered in worker", ErrorKind.BUS_ERROR),
    _rule(r"DataLoader worker \(pid.{0,80}?\) (?:is killed by signal|exited unexpectedly)", ErrorKind.DATA_LOADER),
    # The shell's word, alone or as `bash: line 1: 21888 Killed   python …`.
    _rule(rf"{_SHELL}Bus error{_SHELL_END}", ErrorKind.BUS_ERROR),
    _rule(rf"{_SHELL}(?:Killed|Segmentation fault|Aborted){_SHELL_END}", ErrorKind.KILLED),
    _rule(rf"{_EXCEPTION}AssertionError(?::|\s{{0,8}}$)", ErrorKind.ASSERTION),
    # The launcher's own exception says only that the training failed, which the training has said better.
    _rule(rf"{_EXCEPTION}(?:CalledProcessError|ChildFailedError):", ErrorKind.EXCEPTION, consequence=True),
    _rule(rf"{_EXCEPTION}[A-Z]\w{{0,80}}(?:Error|Exception)(?::|\s{{0,8}}$)", ErrorKind.EXCEPTION),
)

_NAMED_SIGNAL = re.compile(
    r"died with <Signals\.\w{4,10}: (?P<accelerate>\d{1,2})>|\bexitcode\s{0,8}: -(?P<torchrun>\d{1,2})\b"
    r"|SignalException: Process \d{1,10} got signal: \D{0,32}?"
    r"(?:(?P<agent>\d{1,2})\b|(?P<name>SIG(?:HUP|INT|QUIT|TERM)))"
)
"""torchrun's agent, itself sent a signal, gives its number; under Python before 3.11 its name, ``Signals.SIGTERM``."""


_HINTS = (
    *("rror", "xception", "emory", "STATUS_", "NCCL", "nccl", "Watchdog", "failed", "No space left", "quota"),
    *("unexpected", "Signal", "exitcode", "died with", "illed", "Segmentation", "Aborted"),
)
"""Every fault's line holds one of these; most lines hold none, and need no rule."""


def read_fault(text: str) -> Fault | None:
    """What a line says went wrong, the most telling kind first; None for any other line."""
    head = text[:_HEAD]
    if not any(hint in head for hint in _HINTS):
        return None
    for pattern, kind, consequence in _RULES:
        if pattern.search(head):
            return Fault(kind, shorten(text), consequence)
    return None


def named_signal(text: str) -> int | None:
    """The signal that a launcher names as the training's end, the last one that ``text`` (many lines) holds.

    A launcher turns the signal into its own exit status 1; accelerate and torchrun say in words which one it was.
    torchrun prints the root cause last.
    """
    found = None
    for match in _NAMED_SIGNAL.finditer(text):
        found = _number(match)
    return found


def _number(match: re.Match[str]) -> int:
    if match["name"]:
        return signal.Signals[match["name"]]
    return int(match["accelerate"] or match["torchrun"] or match["agent"])


def shorten(text: str) -> str:
    """One line for people: control characters removed, at most 200 characters."""
    return "".join(c for c in text[: 4 * _MAX_TEXT] if c.isprintable()).strip()[:_MAX_TEXT]
