"""Memory, swap, pressure and load of the machine, as the kernel tells them in ``/proc``.

Memory must be told; what this kernel does not tell otherwise (no pressure in some, no swap in others) stays absent.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from trainwarden import names
from trainwarden.collectors.base import Reading, metric
from trainwarden.names import Family
from trainwarden.series import Series
from trainwarden.system import PROC, read_kept

_OPTIONAL = {
    "vmstat": "vmstat",
    "pressure": "pressure/memory",
    "loadavg": "loadavg",
    "stat": "stat",
    "osrelease": "sys/kernel/osrelease",
}
"""Files that a kernel may lack, by their argument of ``parse``."""
_WINDOWS = ("1m", "5m", "15m")
"""Of the three load averages, in the kernel's order."""


class HostReading(Reading, frozen=True, kw_only=True):
    """Bytes and seconds. None: this kernel does not tell."""

    memory_total: int
    memory_available: int
    swap_total: int
    swap_used: int
    swap_in: int | None = None
    """Since boot, as all that follow but the load."""
    swap_out: int | None = None
    oom_kills: int | None = None
    waiting_seconds: float | None = None
    stalled_seconds: float | None = None
    load: tuple[float, ...] = ()
    """Over 1, 5 and 15 minutes."""
    cpus: int | None = None
    kernel: str = ""
    """Its release, as ``uname -r`` has it."""

    @property
    def platform(self) -> str:
        """``wsl2`` or ``linux``: Microsoft's kernel says so in its release."""
        return "wsl2" if "microsoft" in self.kernel.lower() else "linux"


def read(proc: Path = PROC) -> HostReading:
    """Read the six files. Raises OSError where there is no ``meminfo``."""
    optional = {name: _text(f"{proc}/{path}") for name, path in _OPTIONAL.items()}
    return parse(read_kept(f"{proc}/meminfo"), **optional)


def _text(path: str) -> str:
    """Empty where the kernel has no such file, or (pressure, where it is switched off) does not let it be read."""
    try:
        return read_kept(path)
    except OSError:
        return ""


def parse(
    meminfo: str, *, vmstat: str = "", pressure: str = "", loadavg: str = "", stat: str = "", osrelease: str = ""
) -> HostReading:
    """Make a reading of the files' texts."""
    sizes = _numbers(meminfo, ("MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:"))
    memory = {name: kibibytes * 1024 for name, kibibytes in sizes.items()}  # whatever its "kB" says
    pages = _numbers(vmstat, ("pswpin", "pswpout", "oom_kill"))
    waited = {line.split(" ", 1)[0]: int(line.rpartition("total=")[2]) / 1e6 for line in pressure.splitlines()}
    return HostReading(
        memory_total=memory["MemTotal:"],
        memory_available=memory["MemAvailable:"],
        swap_total=memory["SwapTotal:"],
        swap_used=memory["SwapTotal:"] - memory["SwapFree:"],
        swap_in=_bytes(pages.get("pswpin")),
        swap_out=_bytes(pages.get("pswpout")),
        oom_kills=pages.get("oom_kill"),
        waiting_seconds=waited.get("some"),
        stalled_seconds=waited.get("full"),
        load=tuple(map(float, loadavg.split()[: len(_WINDOWS)])),
        cpus=_cpus(stat),
        kernel=osrelease.strip(),
    )


def _numbers(text: str, wanted: tuple[str, ...]) -> dict[str, int]:
    """The numbers behind these names, of a file with a name and a number a line, most of which are not wanted."""
    rows = ((name, _behind(f"{name} ", text).split(maxsplit=1)) for name in wanted)
    return {name: int(row[0]) for name, row in rows if row}


def _behind(begin: str, text: str) -> str:
    """The rest of the line that begins so; empty where none does."""
    return f"\n{text}".partition(f"\n{begin}")[2].partition("\n")[0]


def _bytes(pages: int | None) -> int | None:
    return None if pages is None else pages * os.sysconf("SC_PAGE_SIZE")


def _cpus(stat: str) -> int | None:
    """``stat`` has a line for every CPU that is online, behind one for all of them together."""
    return sum(line.startswith("cpu") for line in stat.splitlines()) - 1 if stat else None


_VALUES: tuple[tuple[Family, str], ...] = (
    (names.HOST_MEMORY_TOTAL, "memory_total"),
    (names.HOST_MEMORY_AVAILABLE, "memory_available"),
    (names.HOST_SWAP_TOTAL, "swap_total"),
    (names.HOST_SWAP_USED, "swap_used"),
    (names.HOST_SWAP_IN, "swap_in"),
    (names.HOST_SWAP_OUT, "swap_out"),
    (names.HOST_PRESSURE_WAITING, "waiting_seconds"),
    (names.HOST_PRESSURE_STALLED, "stalled_seconds"),
    (names.HOST_OOM_KILLS, "oom_kills"),
    (names.HOST_CPUS, "cpus"),
)


def families(reading: HostReading) -> Iterator[Series]:
    """Every family of the host."""
    for family, field in _VALUES:
        yield from metric(family, [((), getattr(reading, field))])
    if reading.kernel:
        yield from metric(names.HOST_INFO, [((reading.platform, reading.kernel), 1)])
    load = zip(_WINDOWS, reading.load, strict=False)  # (a kernel without it tells none)
    yield from metric(names.HOST_LOAD, (((window,), value) for window, value in load))
