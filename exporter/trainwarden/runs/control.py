"""The control socket's language: one JSON line asks, one JSON line answers.

The socket has verbs, not commands: who may write to it can have the run looked at, stopped, or resumed from a
checkpoint inside the run's declared folder, and nothing else. The supervisor answers (``supervise.server``); the
receiver, the viewer and ``trainwarden stop`` ask.

A socket address holds 108 bytes and a run folder's path may be longer, so both ends open the folder and go through
``/proc/self/fd/<fd>/control.sock``, which also works from a container that mounts the folder.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from msgspec import Struct

from trainwarden.errors import RefusedError, RunFolderError
from trainwarden.model import UNDECODABLE, RunState
from trainwarden.runs.folder import RunFolder

MAX_MESSAGE = 64 * 1024
"""Bytes of one line; a longer one is refused."""


class Probe(Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="probe"):
    """Look: answers with a fresh ``RunState``. A probe from the receiver keeps a crashed run open for it."""

    by: Literal["user", "receiver"] = "user"


class Stop(Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="stop"):
    """Stop every member: SIGTERM, ``term_grace``, SIGKILL. Answers at once; probe until no member is left.

    ``final`` says that no next generation will come: the run closes with the last generation's exit code. On a run
    whose generation is already dead, a final stop closes it (the receiver gave up, say).
    """

    by: Literal["user", "receiver"] = "user"
    final: bool = False
    reason: str = ""


class Start(Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="start"):
    """Launch ``generation`` from ``checkpoint``, which the supervisor verifies again. Answers when it is launched.

    A ``rehearsal`` launches nothing: it is refused where the launch itself would be, whoever still lives. ``remedy`` is
    the next of the guide's for this run, or empty.
    """

    checkpoint: str
    generation: int
    rehearsal: bool = False
    remedy: str = ""


class Detach(Struct, frozen=True, forbid_unknown_fields=True, tag_field="verb", tag="detach"):
    """End the watch of an attached run, and leave its training alone. Refused for a run that trainwarden started."""


Request = Probe | Stop | Start | Detach


class Reply(Struct, frozen=True, kw_only=True):
    """The answer to any verb."""

    ok: bool
    state: RunState | None = None
    error: str = ""
    """Where not ok: one sentence."""


_REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_REPLY = msgspec.json.Decoder(Reply)


def decode_request(line: bytes) -> Request:
    """Read one request line. Raises ``RefusedError`` with a sentence for anything but the verbs."""
    try:
        return _REQUEST.decode(line)
    except UNDECODABLE as error:
        raise RefusedError(f"not a verb of this socket (probe, stop, start, detach): {error}") from error


@contextmanager
def address(folder: RunFolder) -> Iterator[str]:
    """The socket's address, valid inside the block, however long the folder's path is."""
    try:
        handle = os.open(folder.path, os.O_PATH | os.O_DIRECTORY)
    except OSError as error:
        raise RunFolderError(f"{folder.path}: {error.strerror}; is '{folder.name}' a run of this user?") from error
    try:
        yield f"/proc/self/fd/{handle}/{folder.socket_path.name}"
    finally:
        os.close(handle)


def ask(folder: RunFolder, request: Request, timeout: float = 10.0) -> RunState:
    """Send one request and return the state in the answer.

    Raises ``RefusedError`` where the supervisor refuses, ``RunFolderError`` where nobody answers.
    """
    try:
        with address(folder) as where, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(where)
            connection.sendall(msgspec.json.encode(request) + b"\n")
            line = connection.makefile("rb").readline(MAX_MESSAGE)
        reply = _REPLY.decode(line)
    except (OSError, *UNDECODABLE) as error:
        raise RunFolderError(f"run '{folder.name}': its supervisor does not answer on {folder.socket_path}") from error
    if not reply.ok or reply.state is None:
        raise RefusedError(reply.error or f"run '{folder.name}': the supervisor gave no reason")
    return reply.state
