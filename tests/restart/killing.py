"""What happens to the receiver and to the run about a line of the ledger."""

from collections.abc import Callable

import pytest

from trainwarden.restart.events import AnyEvent
from trainwarden.restart.ledger import Ledger


class Killed(BaseException):
    """SIGKILL: nothing catches it."""


def die() -> None:
    """The receiver is killed here."""
    raise Killed


def about_line(monkeypatch: pytest.MonkeyPatch, line: int, act: Callable[[], None], *, written: bool) -> None:
    """Once, just before or just after the ledger's ``line`` (from 1) has reached the disk, ``act`` happens."""
    append, seen = Ledger.append, 0

    def watched(self: Ledger, event: AnyEvent) -> None:
        nonlocal seen
        seen += 1
        if seen == line and not written:
            act()
        append(self, event)
        if seen == line and written:
            act()

    monkeypatch.setattr(Ledger, "append", watched)
