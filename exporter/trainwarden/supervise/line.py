"""Who launches the generations of a supervised run: its keeper, spoken to over a line."""

import os
import selectors
import socket
from contextlib import suppress
from typing import Protocol

from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.runs import identity
from trainwarden.runs.attendance import KEEPER_LOCK, is_held
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import kept, orders
from trainwarden.supervise.arrivals import Arrivals
from trainwarden.supervise.detach import lock, start_keeper, until
from trainwarden.supervise.kept import Kept
from trainwarden.supervise.watch import Now, RunWatch

LAUNCH_SECONDS = 15.0
"""How long a keeper may take to launch a generation."""


class Line(Protocol):
    """The supervisor's way to whoever launches, and who tells of the end in ``keeper.json``."""

    handed_over: bool
    """Whether another supervisor goes on with the run."""
    arrivals: Arrivals | None
    """When the training printed what, where anybody tells."""

    @property
    def quiet(self) -> bool:
        """Whether the loop may look a second later: the line's end wakes it, and ``arrivals`` has the times."""

    def look(self, watch: RunWatch, now: Now) -> None:
        """Called at every turn, before the watch looks."""

    def rehearse(self, generation: int, argv: list[str]) -> None:
        """Raise ``RefusedError`` where ``launch`` would, whoever still lives. Touches nothing."""

    def launch(self, generation: int, argv: list[str], watch: RunWatch) -> Kept:
        """Launch, and return the record. Raises ``RefusedError``."""

    def close(self) -> None:
        """The run is over."""


class KeeperLine:
    """Implements ``Line`` over the socket that the keeper gave its supervisor.

    Should the keeper die, a launch begins a new one, with the environment that the supervisor has inherited.
    """

    def __init__(
        self, folder: RunFolder, line: socket.socket, selector: selectors.BaseSelector, arrivals: Arrivals | None
    ) -> None:
        self.handed_over = False
        self.arrivals = arrivals
        self._folder = folder
        self._line = line
        self._selector = selector
        self._ended = False
        selector.register(line, selectors.EVENT_READ, self._readable)

    @property
    def quiet(self) -> bool:
        """Once the line has ended, each turn looks whether the keeper lives."""
        return self.arrivals is not None and not self._ended

    def look(self, watch: RunWatch, now: Now) -> None:  # noqa: ARG002
        """See whether the keeper lives, once its line has ended.

        A training is cleared for its keeper's death, so that is never concluded from the line alone.
        """
        if self._ended:
            lives = identity.lives(watch.kept.keeper) is not False
            watch.keeper_lives = lives and is_held(self._folder.path / KEEPER_LOCK)

    def _readable(self) -> None:
        """The line says nothing, ever: its end is most likely the keeper's, which each turn then looks after."""
        try:
            self._ended = not self._line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError as error:
            self._ended = isinstance(error, ConnectionResetError)
        if self._ended:
            self._selector.unregister(self._line)

    def rehearse(self, generation: int, argv: list[str]) -> None:
        """Nothing: a keeper launches whatever its supervisor asks for."""

    def launch(self, generation: int, argv: list[str], watch: RunWatch) -> Kept:
        """Ask the keeper, or begin a new one that has a supervisor of its own."""
        order = orders.launch(generation, argv)
        try:
            if watch.keeper_lives:
                self._line.sendall(order)
            else:
                self._begin_keeper(order)
            return until(self._folder, lambda: kept.read_generation(self._folder, generation), LAUNCH_SECONDS)
        except (OSError, RunFolderError) as error:
            raise RefusedError(f"the keeper did not launch generation {generation}: {error}") from error
        finally:
            # A new keeper has a supervisor of its own, which waits for this one to end.
            self.handed_over = not watch.keeper_lives and is_held(self._folder.path / KEEPER_LOCK)

    def _begin_keeper(self, order: bytes) -> None:
        with lock(self._folder.path / KEEPER_LOCK) as held:
            start_keeper(self._folder, order, held, os.environ)

    def close(self) -> None:
        """Let the keeper go; one that is gone need not be told."""
        with suppress(OSError):
            self._line.sendall(orders.close())
