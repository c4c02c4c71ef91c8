"""Is a file of ``torch.save`` whole? Looked at from outside only: its ``data.pkl`` is code, and is never unpickled.

Such a file is a zip archive without compression whose directory is written last, so a killed save leaves a file
without one. The directory is walked here, record by record: ``zipfile`` would read as much as a damaged file claims,
and make an object of every record. (The layout: APPNOTE.TXT of PKWARE, sections 4.3.7 to 4.3.16.)
"""

import struct
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from trainwarden.checkpoints.reading import describe, size_of

MAX_DIRECTORY = 32 << 20
"""Bytes; of some 300,000 tensors."""
_END = struct.Struct("<4s4H2LH")
_END64_PLACE = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_RECORD = struct.Struct("<4s6H3L5H2L")
_SIGNATURE = b"PK\1\2"
_LOCAL_HEADER = 30
"""Bytes in front of an entry's name and data."""
_IN_EXTRA = 0xFFFFFFFF
"""Stands where a number did not fit and follows in the record's extra field."""
_OLD_FORMAT = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""How files began that torch before 1.6 wrote."""
_CUT_SHORT = "has no zip directory at its end: the save was cut short"
_DAMAGED = "has a directory that points behind its own data: it is damaged"


class _Directory(NamedTuple):
    records: int
    size: int
    offset: int
    end: int
    """Where what follows it begins."""


def fault(path: Path) -> str:
    """Empty where the file is whole, else one sentence that names it. Costs the directory, not the data."""
    return describe(path, _read)


def _read(file: BufferedReader) -> str:
    size = size_of(file)
    if size == 0:
        return "is empty: the save was cut short"
    directory = _find(file, size)
    if directory is None:
        file.seek(0)
        old = file.read(len(_OLD_FORMAT)) == _OLD_FORMAT
        return "is of the format before torch 1.6, which cannot be told whole from outside" if old else _CUT_SHORT
    if directory.offset + directory.size != directory.end:
        return _DAMAGED
    if directory.size > MAX_DIRECTORY:
        return f"announces a directory of {directory.size} bytes, more than torch writes: it is damaged"
    file.seek(directory.offset)
    # The first record is looked at first: a damaged length would have much of the file read as its directory.
    return _walk(file.read(directory.size), directory) if file.peek(4)[:4] == _SIGNATURE else _DAMAGED


def _find(file: BufferedReader, size: int) -> _Directory | None:
    """From the records at the end of the file; torch writes both forms, and no comment behind them."""
    start = size - _END.size
    end = _unpack(file, start, _END, b"PK\5\6")
    if end is None:
        return None
    place = _unpack(file, start - _END64_PLACE.size, _END64_PLACE, b"PK\6\7")
    if place is None:
        return _Directory(records=end[4], size=end[5], offset=end[6], end=start)
    end64 = _unpack(file, place[2], _END64, b"PK\6\6")
    return None if end64 is None else _Directory(records=end64[7], size=end64[8], offset=end64[9], end=place[2])


def _unpack(file: BufferedReader, offset: int, layout: struct.Struct, signature: bytes) -> tuple[Any, ...] | None:
    if not 0 <= offset < size_of(file):
        return None
    file.seek(offset)
    content = file.read(layout.size)
    return layout.unpack(content) if len(content) == layout.size and content.startswith(signature) else None


def _walk(content: bytes, directory: _Directory) -> str:
    """Whether every record is one, and points to data in front of the directory."""
    place, records, pickled = 0, 0, False
    while place + _RECORD.size <= len(content):
        record = _RECORD.unpack_from(content, place)
        if record[0] != _SIGNATURE:
            return _DAMAGED
        name_size, extra_size, comment_size = record[10:13]
        name_end = place + _RECORD.size + name_size
        name = content[place + _RECORD.size : name_end]
        extra = content[name_end : name_end + extra_size]
        if _end_of_data(record, extra) > directory.offset:
            return _DAMAGED
        pickled = pickled or name.rpartition(b"/")[2] == b"data.pkl"
        place = name_end + extra_size + comment_size
        records += 1
    if place != len(content) or records != directory.records:
        return _DAMAGED
    return "" if pickled else "holds no data.pkl, so torch did not write it"


def _end_of_data(record: tuple[Any, ...], extra: bytes) -> int:
    """At least so far an entry's data reach; numbers that do not fit into the record stand in its extra field."""
    packed, unpacked, offset = record[8], record[9], record[16]
    long = _long_numbers(extra)
    if unpacked == _IN_EXTRA:
        next(long, 0)
    packed = next(long, 0) if packed == _IN_EXTRA else packed
    offset = next(long, 0) if offset == _IN_EXTRA else offset
    return int(offset + _LOCAL_HEADER + record[10] + packed)


def _long_numbers(extra: bytes) -> Iterator[int]:
    """The numbers of the zip64 part of an extra field, in their order."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<2H", extra)
        if kind == 1:
            yield from (number for (number,) in struct.iter_unpack("<Q", extra[4 : 4 + size // 8 * 8]))
        extra = extra[4 + size :]
