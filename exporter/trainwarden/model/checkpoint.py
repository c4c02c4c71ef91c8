"""A checkpoint as found on disk."""

from enum import Enum

from msgspec import Struct


class Verdict(str, Enum):
    """What reading a checkpoint said."""

    VALID = "valid"
    INVALID = "invalid"
    UNSETTLED = "unsettled"
    """Younger than ``checkpoint_settle`` or still growing: not yet."""


class Checkpoint(Struct, frozen=True, kw_only=True):
    """One checkpoint of a run as found on disk, and what verifying it said."""

    path: str
    """A file or a folder, absolute."""
    epoch: int | None = None
    step: int | None = None
    final: bool = False
    """Written at the end of the training: nothing is left to resume."""
    resumable: bool = True
    """Whether the recipe can go on from it exactly (weights alone are not)."""
    modified_at: float
    """Of the file written last."""
    size_bytes: int
    verdict: Verdict
    reason: str = ""
    """Why it is not valid: one sentence that names the file."""
    earlier: bool = False
    """It stood there before the run was first launched, so the run neither wrote it nor goes on from it."""
