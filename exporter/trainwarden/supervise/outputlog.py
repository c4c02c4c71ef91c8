"""``output.<generation>.log``: everything that the training prints, as it prints it. Standard library only."""

import os
from pathlib import Path


class OutputLog:
    """Appends, and never raises: a full disk must not stop the drain, which would block the training."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lost = 0
        self._handle = self._open()

    def write(self, data: bytes) -> None:
        """Append ``data``. What the disk does not take is lost, and counted in the log once it takes again."""
        if data and self._say_what_is_missing():
            self._lost = len(data) - self._append(data)
        else:
            self._lost += len(data)

    def _say_what_is_missing(self) -> bool:
        if not self._lost:
            return True
        note = f"\r\ntrainwarden: {self._lost} bytes of output are missing here, the disk took no more\r\n".encode()
        return self._append(note) == len(note)

    def end(self) -> int:
        """The length of the log, bytes; 0 where there is none, or its server does not say."""
        try:
            return os.lseek(self._handle, 0, os.SEEK_END)
        except OSError:
            return 0

    def close(self) -> None:
        """Let go of the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _append(self, data: bytes) -> int:
        if self._handle < 0:
            self._handle = self._open()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._handle, data[written:])
        except OSError:
            pass
        return written

    def _open(self) -> int:
        """-1 where not even the file can be made; tried again at the next write."""
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError:
            return -1
