"""What every part of the bench is given."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.programs import Programs


class Bench(NamedTuple):
    """One run of the bench."""

    programs: Programs
    folder: Path
    """Scratch; gone afterwards."""
    quick: bool
    """A fast look: fewer rounds, smaller files, figures that swing."""
    say: Callable[[str], None]
    """Takes one line of progress."""

    def sleep(self, seconds: float) -> None:
        """Let time pass: what is measured here is a rate."""
        time.sleep(seconds)
