"""Counts the calls that an exporter makes into the GPU driver: a library in between (``tally.c``)."""

import struct
import subprocess
from collections import Counter
from pathlib import Path

from tests.support.nvml import SONAME

SOURCE = Path(__file__).with_name("tally.c")


class Tally:
    """Stands before the driver ``library``; built into ``folder``. One process at a time."""

    def __init__(self, library: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._functions = _functions(library)
        self._calls = folder / "calls"
        self._calls.write_bytes(bytes(8 * len(self._functions)))
        self._behind = library
        (folder / "symbols.inc").write_text("".join(f"TALLIED({name})\n" for name in self._functions))
        self._library = folder / SONAME
        flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}", "-o", self._library)
        subprocess.run(["cc", *flags, str(SOURCE), "-ldl"], check=True)

    def environment(self) -> dict[str, str]:
        """What the counted process needs, besides the driver's own environment."""
        return {
            "LD_LIBRARY_PATH": str(self._library.parent),
            "TALLY_BEHIND": str(self._behind),
            "TALLY_CALLS": str(self._calls),
        }

    def read(self) -> Counter[str]:
        """Calls by function, since the beginning."""
        numbers = struct.unpack(f"{len(self._functions)}Q", self._calls.read_bytes())
        return Counter({name: number for name, number in zip(self._functions, numbers, strict=True) if number})


def _functions(library: Path) -> list[str]:
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], check=True, capture_output=True, text=True
    ).stdout
    return sorted(name for name in (line.split()[-1] for line in listed.splitlines()) if name.startswith("nvml"))
