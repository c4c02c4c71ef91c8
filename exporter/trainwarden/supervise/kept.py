"""``keeper.json``: what only the keeper knows, read by the supervisor."""

import msgspec
from msgspec import Struct

from trainwarden.errors import RunFolderError
from trainwarden.model import Identity
from trainwarden.runs.folder import RunFolder


class Exit(Struct, frozen=True):
    """How the process that the keeper started ended."""

    code: int | None
    signal: int | None
    at: float


class Kept(Struct, frozen=True):
    """The keeper's record of the generation that it launched last."""

    keeper: Identity
    generation: int
    training: Identity
    argv: list[str]
    """What was launched; the original command, or the one that resumes."""
    started_at: float
    exit: Exit | None
    terminated_at: float | None
    """When the keeper was sent SIGTERM, with which a user ends the run."""


def read(folder: RunFolder) -> Kept | None:
    """Read ``keeper.json``; None where nothing was launched yet."""
    try:
        return msgspec.json.decode(folder.keeper_path.read_bytes(), type=Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RunFolderError(f"{folder.keeper_path}: {error}") from error


def read_generation(folder: RunFolder, generation: int) -> Kept | None:
    """The record once this generation has been launched; None until then."""
    found = read(folder)
    return found if found is not None and found.generation >= generation else None
