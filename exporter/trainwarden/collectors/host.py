"""RAM and swap of the machine, as the kernel tells them in ``/proc/meminfo``."""

from collections.abc import Iterator
from pathlib import Path

from trainwarden import names
from trainwarden.collectors.base import Reading, metric
from trainwarden.series import Series
from trainwarden.system import PROC


class HostReading(Reading, frozen=True, kw_only=True):
    """Bytes."""

    memory_total: int
    memory_available: int
    swap_total: int
    swap_used: int


def read(proc: Path = PROC) -> HostReading:
    """Read ``meminfo``. Raises OSError."""
    return parse((proc / "meminfo").read_text())


def parse(meminfo: str) -> HostReading:
    """Turn the text of ``meminfo`` (kibibytes, whatever its "kB" says) into bytes."""
    rows = (line.split() for line in meminfo.splitlines())
    sizes = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows if len(row) >= 2}
    return HostReading(
        memory_total=sizes["MemTotal"],
        memory_available=sizes["MemAvailable"],
        swap_total=sizes["SwapTotal"],
        swap_used=sizes["SwapTotal"] - sizes["SwapFree"],
    )


def families(reading: HostReading) -> Iterator[Series]:
    """Four gauges without labels."""
    yield from metric(names.HOST_MEMORY_TOTAL, [((), reading.memory_total)])
    yield from metric(names.HOST_MEMORY_AVAILABLE, [((), reading.memory_available)])
    yield from metric(names.HOST_SWAP_TOTAL, [((), reading.swap_total)])
    yield from metric(names.HOST_SWAP_USED, [((), reading.swap_used)])
