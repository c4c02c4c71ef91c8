from pathlib import Path

import pytest

from tests.golden.machine import MEMINFO
from trainwarden.collectors import host

MIB = 1024**2


def test_meminfo_is_in_kibibytes() -> None:
    reading = host.parse(MEMINFO)
    assert (reading.memory_total, reading.memory_available) == (30 * 1024 * MIB, 18 * 1024 * MIB)
    assert (reading.swap_total, reading.swap_used) == (8 * 1024 * MIB, 283 * MIB)


def test_lines_without_a_size_do_no_harm() -> None:
    assert host.parse("HugePages:\n\n" + MEMINFO) == host.parse(MEMINFO)


def test_this_machine_has_some_memory_available() -> None:
    reading = host.read()
    assert 0 < reading.memory_available <= reading.memory_total


def test_no_proc_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="meminfo"):
        host.read(tmp_path)
