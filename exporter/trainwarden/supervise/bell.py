"""Wakes the supervisor when the training's process ends, so that it need not look for that all the time."""

import os
import selectors
from contextlib import suppress

from trainwarden.model import Identity
from trainwarden.runs import identity


class Bell:
    """A pidfd of the training in the loop's selector. Where there is none (before Linux 5.3), the bell is never set."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._training: Identity | None = None
        self._handle = -1

    def set(self, training: Identity | None) -> bool:
        """Whether the end of this process will wake the loop: False where it has ended, or cannot be waited for."""
        if training != self._training:
            self._take_down()
            self._training = training
            if training is not None:
                self._hang_up(training)
        return self._handle >= 0

    def _hang_up(self, training: Identity) -> None:
        with suppress(AttributeError, OSError):  # conda's Python is built without, WSL 1 has none
            self._handle = os.pidfd_open(training.pid)
            self._selector.register(self._handle, selectors.EVENT_READ, self._take_down)
        if identity.lives(training) is not True:  # another process may have its number by now
            self._take_down()

    def _take_down(self) -> None:
        if self._handle >= 0:
            self._selector.unregister(self._handle)
            os.close(self._handle)
            self._handle = -1
