"""Which port each service listens on: the usual one where it is free, a given one, or any free one."""

import socket
from collections.abc import Mapping

from trainwarden.chain.addresses import USUAL
from trainwarden.errors import StackError

LOOPBACK = "127.0.0.1"


def choose(given: Mapping[str, int]) -> dict[str, int]:
    """A loopback port for every service. Raises ``StackError`` where a given one is taken, or given twice."""
    chosen: dict[str, int] = {}
    for name, port in given.items():
        taken = next((f"is --{other}-port already" for other, mine in chosen.items() if mine == port), None)
        if taken or not is_free(port):
            raise StackError(
                f"--{name}-port {port}: the port {taken or 'is in use'}; give another, or none to have a free one taken"
            )
        chosen[name] = port
    for name, port in USUAL.items():
        if name not in chosen:
            chosen[name] = port if port not in chosen.values() and is_free(port) else _any_free()
    return chosen


def unusual() -> dict[str, int]:
    """A free loopback port for every service, and none of the usual ones: those are left to a stack of the user's."""
    chosen: set[int] = set()
    while len(chosen) < len(USUAL):
        chosen |= {_any_free()} - set(USUAL.values())
    return dict(zip(USUAL, sorted(chosen), strict=True))


def is_free(port: int) -> bool:
    """Whether a server could listen there on loopback."""
    with socket.socket() as probe:
        # As servers do: a connection that was closed a moment ago does not take the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_free() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
