"""Poll with a limit: the only way in which these tests wait."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], seconds: float, what: str, every: float = 0.05) -> T:
    """Call ``predicate`` until it is true and return what it said; fail after ``seconds``, naming ``what``."""
    deadline = time.monotonic() + seconds
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} (last reading: {found!r})")
        time.sleep(every)
