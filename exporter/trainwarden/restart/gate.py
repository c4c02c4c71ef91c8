"""The GPU memory gate: nothing is launched before the memory that the dead generation held is free again.

It passes where a card is back at what others used before the first launch, or has room for all that the run ever took
(under WSL2 a browser may hold memory of the same card for good).
"""

import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from trainwarden.guide import GIB, MIB
from trainwarden.model import RunSpec
from trainwarden.restart.exporter import ExporterReading

TOLERANCE_BYTES = 512 * MIB
"""Above the baseline: a desktop opens windows meanwhile."""
MARGIN_BYTES = 512 * MIB
"""Beyond the run's peak."""
CHILD_SECONDS = 600.0
"""How long a throwaway child that does not come back is waited for before another one is sent."""


class Memory(Struct, frozen=True):
    """One card, bytes. None: not told."""

    used: float | None
    free: float | None


def wanted(spec: RunSpec, run_gpus: Sequence[str] | None) -> list[str]:
    """UUIDs of the cards that must pass: the run's, or where they are unknown, those of the machine at launch."""
    return sorted(spec.gpu_baseline_bytes) if run_gpus is None else list(run_gpus)


def blocked(spec: RunSpec, cards: list[str], seen: dict[str, Memory], peaks: dict[str, int]) -> str:
    """Empty where each of ``cards`` passes, else one sentence that names the card and what holds it up. Pure.

    ``peaks``: GPU memory in use while the run still lived, bytes by UUID, where that was seen.
    """
    for uuid in cards:
        memory = seen.get(uuid)
        if memory is None or memory.used is None:
            return f"GPU {uuid} does not tell its memory"
        baseline = spec.gpu_baseline_bytes.get(uuid, 0)
        if memory.used > baseline + TOLERANCE_BYTES and not _has_room(memory, peaks.get(uuid), baseline):
            return f"GPU {uuid} still holds {memory.used / GIB:.1f} GiB ({baseline / GIB:.1f} GiB before the run)"
    return ""


def _has_room(memory: Memory, peak: int | None, baseline: int) -> bool:
    """Whether what the run was seen to take would fit beside what is used now."""
    if peak is None or memory.free is None:
        return False
    return memory.free >= max(0, peak - baseline) + MARGIN_BYTES


def from_exporter(reading: ExporterReading | None) -> dict[str, Memory] | None:
    """What the exporter tells; None where it or the driver does not answer."""
    if reading is None or not reading.driver_answers:
        return None
    return {uuid: Memory(gpu.memory_used_bytes, gpu.memory_free_bytes) for uuid, gpu in reading.gpus.items()}


class _Card(Struct, frozen=True):
    uuid: str
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None


class _Snapshot(Struct, frozen=True):
    gpus: list[_Card]


_SNAPSHOT = msgspec.json.Decoder(_Snapshot)


class Child:
    """A throwaway process that asks the driver where the exporter does not. Never waited for in our own thread.

    One that does not come back is left alone: to kill a process inside a call of a hung driver can wedge WSL2.
    """

    COMMAND = (sys.executable, "-m", "trainwarden.collectors.gpu_snapshot")

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._until = 0.0

    def ask(self) -> dict[str, Memory] | None:
        """What a child has found; None while there is no answer. The call after an answer sends a new one."""
        if self._process is None or (self._process.poll() is None and time.monotonic() > self._until):
            self._send()
        process = self._process
        if process is None or process.poll() is None:
            return None
        said = process.stdout.read() if process.stdout is not None else b""
        self._process = None
        return _decode(said) if process.returncode == 0 else None

    def _send(self) -> None:
        self._until = time.monotonic() + CHILD_SECONDS
        self._process = subprocess.Popen(
            self.COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def _decode(said: bytes) -> dict[str, Memory] | None:
    try:
        cards = _SNAPSHOT.decode(said).gpus
    except msgspec.MsgspecError:
        return None
    return {card.uuid: Memory(card.memory_used_bytes, _free(card)) for card in cards}


def _free(card: _Card) -> float | None:
    if card.memory_total_bytes is None or card.memory_used_bytes is None:
        return None
    return card.memory_total_bytes - card.memory_used_bytes
