"""``ledger.jsonl``: the receiver's write-ahead journal of one run, appended and flushed to the disk line by line.

A last line that was cut short (the machine lost power in mid-write) is dropped: the act that it announced was never
begun, for acts follow the append. Any other damage means that what was done cannot be known, so nothing may be done.
"""

import errno
import logging
import os
from pathlib import Path

import msgspec

from trainwarden import system
from trainwarden.errors import RunFolderError
from trainwarden.model import UNDECODABLE
from trainwarden.restart.events import AnyEvent

log = logging.getLogger(__name__)

_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_encoder = msgspec.json.Encoder()


class LedgerError(RunFolderError):
    """The ledger cannot be read or written, so the run must be left alone. A human is called."""


class Ledger:
    """One run's ledger. The file is opened anew for every append, so that one moved aside is let go."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[AnyEvent]:
        """Every line from the first. A cut last one is reported and left out; raises ``LedgerError`` otherwise."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LedgerError(f"{self.path}: cannot be read: {error.strerror}") from error
        whole, torn = _split(data)
        if torn:
            log.warning("%s: the last line was cut short and is left out: %r", self.path, torn[:200])
        return [self._decode(text, number) for number, text in enumerate(whole, start=1)]

    def _decode(self, text: bytes, number: int) -> AnyEvent:
        try:
            return _decoder.decode(text)
        except UNDECODABLE as error:
            mend = "the run is held until the file is mended or moved aside"
            raise LedgerError(f"{self.path}: line {number} is damaged ({error}); {mend}") from error

    def append(self, event: AnyEvent) -> None:
        """Add a line and wait until the disk has it. Raises ``LedgerError``; the file is then as it was before."""
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                first = _append(handle, _encoder.encode(event) + b"\n")
            finally:
                os.close(handle)
            if first:  # its name has to reach the disk as well
                system.sync_folder(self.path.parent)
        except OSError as error:
            raise LedgerError(f"{self.path}: cannot be written: {error.strerror}") from error


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last line feed (zeros there are space that was never written)."""
    whole, _, torn = data.rpartition(b"\n")
    return (whole.split(b"\n") if whole else []), torn


def _append(handle: int, data: bytes) -> bool:
    """Whether it is the first line."""
    end = _end_of_last_line(handle)
    os.ftruncate(handle, end)
    try:
        if os.pwrite(handle, data, end) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise
    return end == 0


def _end_of_last_line(handle: int) -> int:
    """The offset behind the last line feed: a cut line is written over, so that it never stands amid whole ones."""
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return size
    return os.pread(handle, size, 0).rfind(b"\n") + 1
