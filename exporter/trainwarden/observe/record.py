"""``observed.json``: what `trainwarden attach` found, and how far the observer has read its log."""

import msgspec
from msgspec import Struct

from trainwarden import system
from trainwarden.errors import RunFolderError
from trainwarden.model import UNDECODABLE, Identity
from trainwarden.runs.folder import RunFolder

GENERATION = 1
"""A run that is only watched has one: who starts its training anew attaches anew."""
OUTPUT_LOCK = "output.lock"
"""Held by whoever writes the run's output log: its observer, for a log file, or one `trainwarden follow`."""


class Pane(Struct, frozen=True):
    """A pane of tmux."""

    socket: str
    """Path of the tmux server's socket."""
    id: str
    """``%3``; never given to another pane of the same server."""


class Log(Struct, frozen=True):
    """A log file of the user's, and where reading it goes on (see ``runs.tail``)."""

    path: str
    offset: int
    inode: int | None


class Observed(Struct, frozen=True, kw_only=True):
    """What the observer watches."""

    training: Identity
    """The topmost process."""
    log: Log | None = None
    pane: Pane | None = None


_OBSERVED = msgspec.json.Decoder(Observed)


def write(folder: RunFolder, observed: Observed) -> None:
    """Replace ``observed.json``."""
    system.replace_file(folder.path / "observed.json", msgspec.json.encode(observed))


def read(folder: RunFolder) -> Observed | None:
    """Read ``observed.json``; None where there is none. Raises ``RunFolderError``."""
    path = folder.path / "observed.json"
    try:
        return _OBSERVED.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        raise RunFolderError(f"{path}: {error}; move the file aside, and attach again") from error
