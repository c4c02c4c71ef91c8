"""A receiver that stands still for ever at a line of its ledger, so that it can be killed exactly there.

``python -m tests.matrix.doomed LINE before|after FILE ARGUMENT…``: FILE appears when the line (from 1) is reached, just
before or just after the disk has it; the arguments are those of ``trainwarden``.
"""

import sys
import threading
from pathlib import Path

from trainwarden.cli import main as trainwarden
from trainwarden.restart.events import AnyEvent
from trainwarden.restart.ledger import Ledger


def main() -> None:
    """Serve until the line is reached, and then do nothing more."""
    line, when, reached, *arguments = sys.argv[1:]
    append, seen = Ledger.append, 0

    def stand() -> None:
        Path(reached).touch()
        threading.Event().wait()

    def watched(self: Ledger, event: AnyEvent) -> None:
        nonlocal seen
        seen += 1
        if seen == int(line) and when == "before":
            stand()
        append(self, event)
        if seen == int(line) and when == "after":
            stand()

    Ledger.append = watched  # type: ignore[method-assign]
    trainwarden(arguments)


if __name__ == "__main__":
    main()
