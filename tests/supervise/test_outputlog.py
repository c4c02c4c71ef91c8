"""A log that takes no more, and then does again."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainwarden.supervise.outputlog import OutputLog


@contextmanager
def room(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_missing_is_said_once_there_is_room_again(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "log")
    with room(10):
        log.write(b"0123456789abcde")
        log.write(b"fghij")
    log.write(b"back")
    log.write(b" again")
    log.close()
    said = b"\r\ntrainwarden: 10 bytes of output are missing here, the disk took no more\r\n"
    assert (tmp_path / "log").read_bytes() == b"0123456789" + said + b"back again"


def test_folder_that_is_not_there_yet_is_tried_again(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "later" / "log")
    log.write(b"lost")
    (tmp_path / "later").mkdir()
    log.write(b"kept")
    log.close()
    assert (
        (tmp_path / "later/log")
        .read_bytes()
        .endswith(b"4 bytes of output are missing here, the disk took no more\r\nkept")
    )


def test_a_length_that_a_server_does_not_tell_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper asks for it at each piece of output, the last one before it records the exit included."""
    log = OutputLog(tmp_path / "log")
    log.write(b"abc")
    assert log.end() == 3

    def stale(*_: object) -> int:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "lseek", stale)
    assert log.end() == 0
    log.close()
    assert log.end() == 0
