"""``keeper.json``: what only the keeper knows, read by the supervisor."""

import os

import msgspec
from msgspec import Struct

from trainwarden import system
from trainwarden.errors import RunFolderError
from trainwarden.model import UNDECODABLE, Identity
from trainwarden.runs.cgroups import Cgroup
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
    training: Identity | None
    """None where it cannot be seen from here."""
    argv: list[str]
    """What was launched; the original command, or the one that resumes."""
    started_at: float
    exit: Exit | None
    terminated_at: float | None
    """When the keeper was sent SIGTERM, with which a user ends the run."""
    handle: str = ""
    """By which an engine knows the launch again; empty where the keeper launched it."""
    cgroup: Cgroup | None = None
    """The launch's own; None where it has none, or shares it with others."""
    wrapper: Identity | None = None
    """The `trainwarden exec` in it, which is no member: it passes signals on, and writes down the end."""


_KEPT = msgspec.json.Decoder(Kept)


def read(folder: RunFolder) -> Kept | None:
    """Read ``keeper.json``; None where nothing was launched yet."""
    try:
        return _KEPT.decode(folder.keeper_path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, *UNDECODABLE) as error:
        raise RunFolderError(f"{folder.keeper_path}: {error}") from error


class KeptFile:
    """``keeper.json``, read anew only where it was replaced: the supervisor looks once a second and more."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._path = str(folder.keeper_path)
        self._seen: tuple[int, int] | None = None
        self._kept: Kept | None = None

    def read(self) -> Kept | None:
        """As ``read``."""
        try:
            stat = os.stat(self._path)  # noqa: PTH116  (the supervisor's hot path: no Path a look)
        except OSError:
            return read(self._folder)
        if (stat.st_ino, stat.st_mtime_ns) != self._seen:
            self._kept = read(self._folder)
            self._seen = stat.st_ino, stat.st_mtime_ns
        return self._kept


def read_generation(folder: RunFolder, generation: int) -> Kept | None:
    """The record once this generation has been launched; None until then."""
    found = read(folder)
    return found if found is not None and found.generation >= generation else None


def write(folder: RunFolder, kept: Kept) -> None:
    """Replace ``keeper.json``, where an engine launches and the supervisor keeps the record."""
    system.replace_file(folder.keeper_path, msgspec.json.encode(kept), durable=True)
