"""What a container prints, brought into a file once: across calls, and across the death of whoever brings it."""

import contextlib
import socket
import struct
from pathlib import Path

from trainwarden.errors import TrainwardenError
from trainwarden.launchers.dockerapi import DockerApi

_BLOCK = 1 << 20
_AT_ONCE = 64 << 20
"""Bytes for one call at most: the rest waits for the next."""
_SECONDS_TO_THE_END = 5.0
"""For what a container that has ended printed last, which the daemon has already."""
_FRAME = struct.Struct(">BxxxL")
"""Before each piece of output, without a terminal: which stream it is of, and its length."""


class Carrier:
    """One open answer of ``/containers/ID/logs``, and the file that it is appended to.

    What stands in the file already is the beginning of what the daemon sends, and is passed over. Where the daemon has
    rotated its log, so that less is there than has been carried, everything since the file's last change is taken.
    """

    def __init__(self, api: DockerApi, container: str, output: Path, *, tty: bool) -> None:
        self._tty = tty
        self._rest = b""
        self._output = output
        self._path = f"/containers/{container}/logs"
        had = output.stat().st_size if output.exists() else 0
        rotated = had > 0 and self._count(api) < had
        self._skip = 0 if rotated else had
        since = {"since": f"{output.stat().st_mtime:.9f}"} if rotated else {}
        self._socket = api.stream(self._path, stdout="1", stderr="1", follow="1", **since)

    def bring(self, *, to_the_end: bool) -> bool:
        """Append what has come since the last call; returns whether the daemon has closed its answer.

        ``to_the_end``: of a container that has ended, wait until everything is there.
        """
        self._socket.settimeout(_SECONDS_TO_THE_END if to_the_end else None)
        flags = 0 if to_the_end else socket.MSG_DONTWAIT
        taken = 0
        with self._output.open("ab") as file:
            while taken < _AT_ONCE or to_the_end:
                try:
                    block = self._socket.recv(_BLOCK, flags)
                except (BlockingIOError, TimeoutError):
                    return False
                if not block:
                    return True
                taken += len(block)
                file.write(self._new(block))
        return False

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _new(self, block: bytes) -> bytes:
        text = self._text(block)
        passed = min(self._skip, len(text))
        self._skip -= passed
        return text[passed:]

    def _text(self, block: bytes) -> bytes:
        """The output in it. Without a terminal, stdout and stderr come in frames, in the order in which they came."""
        if self._tty:
            return block
        self._rest += block
        pieces = []
        at = 0
        while len(self._rest) - at >= _FRAME.size:
            end = at + _FRAME.size + _FRAME.unpack_from(self._rest, at)[1]
            if end > len(self._rest):
                break
            pieces.append(self._rest[at + _FRAME.size : end])
            at = end
        self._rest = self._rest[at:]
        return b"".join(pieces)

    def _count(self, api: DockerApi) -> int:
        """How many bytes of output the daemon still has."""
        total = 0
        with contextlib.closing(api.stream(self._path, stdout="1", stderr="1")) as answer:
            while block := answer.recv(_BLOCK):
                total += len(self._text(block))
        self._rest = b""
        return total


def bring(
    carriers: dict[str, Carrier], api: DockerApi, container: str, output: Path, *, tty: bool, ended: bool
) -> None:
    """Carry the output of one container on, with a carrier that is kept for the next call while its answer is open."""
    try:
        carrier = carriers.pop(container, None) or Carrier(api, container, output, tty=tty)
        if carrier.bring(to_the_end=ended):
            carrier.close()
        else:
            carriers[container] = carrier
    except OSError as error:
        raise TrainwardenError(f"{output}: the container's output cannot be carried here ({error})") from error
