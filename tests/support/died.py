"""A caller that is killed between two acts of its own."""

from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")


class DiedError(BaseException):
    """No handler of the code under test catches it, as none catches SIGKILL."""


def dying(act: Callable[..., R], counts: Callable[..., bool], at: int, *, before: bool) -> Callable[..., R]:
    """``act``, which dies just ``before`` or just after the call number ``at`` (from 1) of those that count."""
    made = 0

    def acted(*arguments: object, **named: object) -> R:
        nonlocal made
        if not counts(*arguments):
            return act(*arguments, **named)
        made += 1
        if made == at and before:
            raise DiedError
        said = act(*arguments, **named)
        if made == at:
            raise DiedError
        return said

    return acted
