"""What is found at one link of the chain."""

from enum import Enum

from msgspec import Struct


class Status(str, Enum):
    """How a link fares."""

    OK = "ok"
    WARNING = "warning"
    """It holds, and somebody should know something about it."""
    FAILED = "failed"
    NOT_REACHED = "not reached"
    """Not looked at: it hangs on one that failed."""


class Finding(Struct, frozen=True):
    """What was found, and how to mend it: a sentence each. Neither holds a secret."""

    status: Status
    found: str
    mend: str = ""
    """Empty where there is nothing to mend."""


def ok(found: str) -> Finding:
    """The link holds."""
    return Finding(Status.OK, found)


def warning(found: str, mend: str) -> Finding:
    """The link holds, but."""
    return Finding(Status.WARNING, found, mend)


def failed(found: str, mend: str) -> Finding:
    """The chain is broken here."""
    return Finding(Status.FAILED, found, mend)
