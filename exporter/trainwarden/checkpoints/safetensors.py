"""Is a ``.safetensors`` file whole? Read without the library, which would map all of it.

The format (huggingface.co/docs/safetensors): 8 bytes of header length (little endian), a JSON header that gives every
tensor's offsets, then the data. The library up to 0.7 writes in place under the final name, so a killed save leaves a
prefix of the file; 0.8 makes the file full-sized first, so a killed save may leave a hole.
"""

from io import BufferedReader
from pathlib import Path

import msgspec
from msgspec import Struct

from trainwarden.checkpoints.reading import describe, size_of
from trainwarden.model import UNDECODABLE

MAX_HEADER = 100_000_000
"""Bytes; the library's own limit."""
_LENGTH = 8


class _Tensor(Struct):
    data_offsets: tuple[int, int]


_ENTRIES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TENSOR = msgspec.json.Decoder(_Tensor)


def fault(path: Path) -> str:
    """Empty where the file is whole, else one sentence that names it. Costs the header, not the data."""
    return describe(path, _read)


def _read(file: BufferedReader) -> str:
    size = size_of(file)
    if size < _LENGTH:
        return f"is {size} bytes long, too short for a safetensors file: the save was cut short"
    length = int.from_bytes(file.read(_LENGTH), "little")
    if length > MAX_HEADER:
        return f"announces a header of {length} bytes, more than the format allows: it is damaged"
    if _LENGTH + length > size:
        return "ends inside its header: the save was cut short"
    # The first byte is looked at first: a damaged length would have most of the file read as its header.
    data = _data_length(file.read(length)) if file.peek(1)[:1] == b"{" else None
    if data is None:
        return "has a header that is not safetensors: it is damaged"
    whole = _LENGTH + length + data
    if whole != size:
        return f"is {size} bytes long where its header promises {whole}: the save was cut short"
    return ""


def _data_length(header: bytes) -> int | None:
    """Where the last tensor ends, relative to the data; None for what is not a header."""
    try:
        entries = _ENTRIES.decode(header)
        entries.pop("__metadata__", None)
        tensors = [_TENSOR.decode(entry) for entry in entries.values()]
    except UNDECODABLE:
        return None
    end = 0
    for offsets in sorted(tensor.data_offsets for tensor in tensors):
        if offsets[0] != end or offsets[1] < end:  # the library takes no gap and no overlap either
            return None
        end = offsets[1]
    return end
