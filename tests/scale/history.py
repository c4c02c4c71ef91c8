"""What Prometheus remembers when the measurement begins: pushed by its remote-write protocol, 1.0.

Without it a window of six hours would be nearly empty, and its rule cheap. Each metric gets as much history as the
rules look back at it. Written by hand: three message types, and snappy's block format without any compression.
"""

import struct
import time
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import requests

from tests.scale import fleet
from tests.scale.fleet import Labels, Line

EVERY = 15
"""Seconds between two scrapes, as in the shipped prometheus.yml."""
EVERY_RECORDING = 120
"""Seconds between two recordings of what is looked back over, as in the shipped rules/history.yml."""
SLICE = 600
"""Seconds that are pushed for all machines before the next."""
AT_ONCE = 100_000
"""Samples a request, about."""


class Told(NamedTuple):
    """What one job told of each machine, or, without a job, what was recorded of it."""

    job: str
    well: Sequence[Line]
    ill: Sequence[Line]
    """The lines of a machine that is well and of one that is sick."""
    every: int = EVERY
    """Seconds between two samples."""


def push(address: str, told: Sequence[Told], machines: Sequence[str], begins: float, most: float) -> float:
    """Push everything up to now, slice by slice, ``most`` seconds of it; returns how many samples those were."""
    back = fleet.looks_back()
    reach = {line.name: min(back(line.name), most) + 60 for one in told for line in one.well}
    at, pushed = begins - max(reach.values()), 0.0
    with requests.Session() as session:
        while at < time.time() - EVERY:
            until = min(at + SLICE, time.time())
            for one in told:
                ticks = range(int(at), int(until), one.every)
                for lines, which in ((one.well, False), (one.ill, True)):
                    kept = [line for line in lines if at + SLICE > begins - reach[line.name]]
                    those = [machine for machine in machines if fleet.is_sick(machine) is which]
                    pushed += _push(session, address, one.job, kept, those, begins, ticks)
            at = range(int(at), int(until), EVERY)[-1] + EVERY
    return pushed


def _push(
    session: requests.Session,
    address: str,
    job: str,
    lines: Sequence[Line],
    machines: Sequence[str],
    begins: float,
    ticks: range,
) -> int:
    if not lines or not ticks:
        return 0
    told = [(line, b"".join(_sample(line.at(begins, tick), tick) for tick in ticks)) for line in lines]
    waiting = iter(machines)
    while some := list(islice(waiting, max(1, AT_ONCE // (len(lines) * len(ticks))))):
        body = b"".join(_series(machine, job, told) for machine in some)
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        headers["X-Prometheus-Remote-Write-Version"] = "0.1.0"
        reply = session.post(f"{address}/api/v1/write", data=snappy(body), headers=headers, timeout=60)
        assert reply.ok, f"{reply.status_code}: {reply.text}"
    return len(lines) * len(ticks) * len(machines)


def _series(machine: str, job: str, told: Sequence[tuple[Line, bytes]]) -> bytes:
    return b"".join(_field(1, _labels(machine, job, line.name, line.labels) + samples) for line, samples in told)


def _labels(machine: str, job: str, name: str, labels: Labels) -> bytes:
    pairs = {"__name__": name, "instance": machine, **({"job": job} if job else {}), **dict(labels)}
    return b"".join(_field(1, _label(key, pairs[key].replace(fleet.MACHINE, machine))) for key in sorted(pairs))


def _label(name: str, value: str) -> bytes:
    return _field(1, name.encode()) + _field(2, value.encode())


def _sample(value: float, at: int) -> bytes:
    return _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(at * 1000))


def _field(number: int, content: bytes) -> bytes:
    """A field with a length before it, in protobuf's wire format."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def snappy(content: bytes) -> bytes:
    """A block of snappy that is one literal: valid, and as long as what is in it."""
    return _varint(len(content)) + b"\xfc" + struct.pack("<I", len(content) - 1) + content
