"""Verifying checkpoints beside the scrapes: a first look at a large folder may take longer than a scrape may.

What is not read yet when the scrape must go on is simply not judged yet, which is no fault; a later scrape finds it
read. One checkpoint that takes a minute is a fault: its disk is failing, or its server is.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from trainwarden.checkpoints.base import Found
from trainwarden.checkpoints.signature import Signature

SLOW_SECONDS = 60.0
"""What must be read of a checkpoint takes milliseconds from a disk, and seconds from a slow server."""

_Key = tuple[str, Signature]
"""The path, and what stood there: after a change a verdict is another's."""


class Verifier:
    """Verifies the checkpoints of one run, one after the other, in a thread that lives while any are left."""

    def __init__(self, verify: Callable[[Found], str], slow_seconds: float = SLOW_SECONDS) -> None:
        self._verify = verify
        self._slow_seconds = slow_seconds
        self._changed = threading.Condition()
        self._until = 0.0
        self._asked: set[_Key] = set()
        """In the look under way."""
        self._waiting: dict[_Key, Found] = {}
        self._said: dict[_Key, str | Exception] = {}
        self._now: tuple[str, float] | None = None
        """What is being read, and since when; None while no thread is at it."""

    @property
    def slow(self) -> str:
        """A sentence where reading one checkpoint takes suspiciously long; else empty."""
        path, since = self._now or ("", time.monotonic())
        if time.monotonic() - since < self._slow_seconds:
            return ""
        return f"{path}: has been read for {self._slow_seconds:g} s and still is; see whether its disk answers"

    @contextmanager
    def waiting(self, until: float) -> Iterator[None]:
        """One look through the folder, in which ``verdict`` waits until that moment (``time.monotonic``)."""
        self._until = until
        self._asked = set()
        yield
        with self._changed:  # what is gone, or has changed, is asked for no more
            self._waiting = {key: found for key, found in self._waiting.items() if key in self._asked}
            self._said = {key: said for key, said in self._said.items() if key in self._asked}

    def verdict(self, found: Found, signature: Signature) -> str | None:
        """What reading it said, as ``checkpoints.catalog.Verify``. Raises what the reading raised."""
        key = str(found.path), signature
        with self._changed:
            self._asked.add(key)
            if key not in self._said:
                self._waiting[key] = found
                self._begin()
            while key not in self._said and (left := self._until - time.monotonic()) > 0:
                self._changed.wait(left)
            said = self._said.pop(key, None)
        if isinstance(said, Exception):
            raise said
        return said

    def _begin(self) -> None:
        if self._now is None:
            self._now = "", time.monotonic()
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                key = next(iter(self._waiting), None)
                self._now = None if key is None else (key[0], time.monotonic())
                if key is None:
                    return
                found = self._waiting[key]
            said = self._say(found)
            with self._changed:
                self._waiting.pop(key, None)
                self._said[key] = said
                self._changed.notify_all()

    def _say(self, found: Found) -> str | Exception:
        try:
            return self._verify(found)
        except Exception as error:
            return error
