"""The plain numbers at the head of a ``torch.save`` file, read off its pickle without carrying any of it out.

A pickle is a program. ``pickletools`` lists its instructions and runs none; only the text and whole numbers that
stand among the first of them are looked at, so nothing in the file can act or grow.
"""

import pickletools
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from trainwarden.checkpoints.reading import open_regular

_HEAD = 4096
"""Bytes of the file; the pickle is its first entry."""
_LOCAL_HEADER = 30
_MEMO = ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT", "BINGET", "LONG_BINGET", "GET")
"""Instructions that only remember what was read."""


def numbers(path: Path, names: Set[str]) -> dict[str, int]:
    """The first number that stands directly behind each of these names; nothing where there is none to be read."""
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError:
        return {}
    if not head.startswith(b"PK\3\4"):
        return {}
    found: dict[str, int] = {}
    name = ""
    for instruction, value in _instructions(head[_data(head) :]):
        if instruction in _MEMO:
            continue
        if name in names and isinstance(value, int) and not isinstance(value, bool) and name not in found:
            found[name] = value
        name = value if isinstance(value, str) else ""
    return found


def _data(head: bytes) -> int:
    """Where the first entry's data begin."""
    return _LOCAL_HEADER + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")


def _instructions(pickle: bytes) -> Iterator[tuple[str, Any]]:
    try:
        for instruction, value, _ in pickletools.genops(pickle):
            yield instruction.name, value
    except (ValueError, UnicodeDecodeError, OverflowError):  # the head ends in the midst of one, or it is no pickle
        return
