"""What the keeper is told, a JSON object a line: ``launch`` and ``close``. Standard library only.

The first order comes on the keeper's standard input, from who started it; the others from its supervisor.
"""

import json
from typing import Any

Order = dict[str, Any]


def launch(generation: int, argv: list[str], size: tuple[int, int] | None = None) -> bytes:
    """Start ``argv`` as this generation, on a terminal of ``size`` columns and lines; None: as before."""
    return _line({"order": "launch", "generation": generation, "argv": argv, "size": size})


def close() -> bytes:
    """The run is over: the keeper ends."""
    return _line({"order": "close"})


def parse(line: bytes) -> Order:
    """Read one order. Raises ``ValueError``."""
    order: Order = json.loads(line)
    return order


def _line(order: Order) -> bytes:
    return json.dumps(order).encode() + b"\n"
