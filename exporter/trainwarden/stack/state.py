"""``$XDG_STATE_HOME/trainwarden/stack/``: what of the local stack runs, and where everything of it lies."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct, field

from trainwarden import system
from trainwarden.errors import StackError
from trainwarden.model import UNDECODABLE, Identity
from trainwarden.system import state_root


class ServiceState(Struct, frozen=True):
    """One service that was started."""

    name: str
    title: str
    url: str
    """What a person opens."""
    process: Identity


class StackState(Struct, frozen=True, kw_only=True):
    """``stack.json``, replaced whole whenever a service is started."""

    watchman: Identity
    """The process of ``trainwarden up`` that holds the stack together."""
    ready: bool = False
    services: list[ServiceState] = field(default_factory=list)
    demo: str = ""
    """The run id of the demo training that the stack started, and so has to stop."""


class StackFolder:
    """Where each file of the stack stands. Made on first use, readable by its owner only."""

    def __init__(self, root: Path | None = None) -> None:
        self.path = root or state_root() / "stack"
        self.state_path = self.path / "stack.json"
        self.rendered = self.path / "rendered"
        self.token_path = self.path / "token"
        self.demo = self.path / "demo"

    def create(self) -> None:
        """Make the folders, and the receiver's token if there is none yet."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / "logs").mkdir(exist_ok=True)
        if not self.token_path.exists():
            system.replace_file(self.token_path, secrets.token_urlsafe(32).encode())

    def log(self, name: str) -> Path:
        """What a service printed."""
        return self.path / "logs" / f"{name}.log"

    def data(self, name: str) -> Path:
        """Where a service keeps its data."""
        return self.path / "data" / name

    def read(self) -> StackState | None:
        """Read ``stack.json``; None where no stack was started, or it was taken down."""
        try:
            return msgspec.json.decode(self.state_path.read_bytes(), type=StackState)
        except FileNotFoundError:
            return None
        except (OSError, *UNDECODABLE) as error:
            raise StackError(f"{self.state_path}: {error}; move the file aside to go on without it") from error

    def write(self, state: StackState) -> None:
        """Replace ``stack.json``."""
        system.replace_file(self.state_path, msgspec.json.encode(state))

    def forget(self) -> None:
        """Remove ``stack.json``: nothing of the stack runs any more."""
        self.state_path.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the stack for this process; says False where another process holds it already."""
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _lock(handle)
        finally:
            os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
