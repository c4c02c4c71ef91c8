"""The child that looks, so that nobody else asks what may hang: ``python -m trainwarden.status [CONFIGURATION]``.

A line on standard input asks for a look, and a line of JSON answers; at its end the child ends, whatever still hangs
in it. ``--every`` tells of runs that are over for however long as well.
"""

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from trainwarden import config as configuration
from trainwarden.runs.folder import runs_root
from trainwarden.status.lookout import Lookout

_EVERY = "--every"


def main(arguments: list[str]) -> None:
    """Answer until nobody asks any more."""
    file = next((Path(word) for word in arguments if word != _EVERY), None)
    config = configuration.load(file)
    if _EVERY in arguments:
        config = configuration.override(config, "exporter", {"keep_ended": math.inf})
    lookout = Lookout(config, runs_root())
    with suppress(BrokenPipeError):
        for _ in sys.stdin:
            sys.stdout.buffer.write(msgspec.json.encode(lookout.look()) + b"\n")
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
