"""What is new in a file that somebody else writes, as ``tail -F`` sees it: late, rotated, truncated, or all of it."""

import errno
import os
import stat
from pathlib import Path

CHUNK = 256 * 1024
"""Bytes that one reading returns at most."""


def last_bytes(path: Path, most: int) -> bytes:
    """The end of a file, so many bytes at most. Raises ``OSError``."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read()


class Tail:
    """Reads a log from ``offset`` on, and goes on in its successor when it is rotated. Never raises, never waits.

    ``inode`` is that of the file in which ``offset`` was reached: another one, or one that is shorter, is read from
    its beginning. What is no regular file (a named pipe, say) is left alone, for to read it is to take from it.
    """

    def __init__(self, path: Path, offset: int = 0, inode: int | None = None) -> None:
        self._path = path
        self._handle = -1
        self.offset = offset
        """How far the file has been read, bytes."""
        self.inode = inode
        """Of the file that is being read; None before there was one."""

    def read(self) -> bytes:
        """What has come since the last reading, at most ``CHUNK`` bytes; empty where nothing has."""
        if self._handle < 0 and not self._open():
            return b""
        if data := self._read_on():
            return data
        if self._was_truncated():
            self.offset = 0
            return self._read_on()
        if self._was_rotated():
            if data := self._read_on():  # written after the last look, and before the rotation
                return data
            self.close()
            self.offset, self.inode = 0, None
            return self._read_on() if self._open() else b""
        return b""

    def close(self) -> None:
        """Let go of the file; a later reading opens it again where it stood."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _open(self) -> bool:
        try:
            # Without O_NONBLOCK a named pipe would be waited for until somebody writes to it.
            handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        found = _status(handle)
        if found is None or not stat.S_ISREG(found.st_mode):
            os.close(handle)
            return False
        if self.inode not in (None, found.st_ino) or found.st_size < self.offset:
            self.offset = 0
        self._handle, self.inode = handle, found.st_ino
        return True

    def _read_on(self) -> bytes:
        try:
            # A log that was emptied under a writer without O_APPEND begins with a hole, which may be gigabytes long.
            self.offset = os.lseek(self._handle, self.offset, os.SEEK_DATA)
            data = os.read(self._handle, CHUNK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a network drive that lost the file: it is opened anew
                self.close()
            return b""
        self.offset += len(data)
        return data

    def _was_truncated(self) -> bool:
        found = _status(self._handle)
        return found is not None and found.st_size < self.offset

    def _was_rotated(self) -> bool:
        """Whether another file stands there and holds something.

        Until it does, the old one is read on: a writer that never opens its log again (a shell's ``>``) stays in it.
        """
        try:
            found = self._path.stat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_ino != self.inode and found.st_size > 0


def _status(handle: int) -> os.stat_result | None:
    """None where nothing is open, or its server does not answer for it any more."""
    try:
        return os.fstat(handle)
    except OSError:
        return None
