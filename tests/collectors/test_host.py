import os
from pathlib import Path

import pytest

from tests.collectors.samples import values
from tests.golden.host import LOADAVG, MEMINFO, OSRELEASE, PRESSURE, STAT, VMSTAT
from trainwarden.collectors import host

MIB = 1024**2


def test_meminfo_is_in_kibibytes() -> None:
    reading = host.parse(MEMINFO)
    assert (reading.memory_total, reading.memory_available) == (30 * 1024 * MIB, 18 * 1024 * MIB)
    assert (reading.swap_total, reading.swap_used) == (8 * 1024 * MIB, 283 * MIB)


def test_lines_without_a_size_and_names_that_only_begin_alike_do_no_harm() -> None:
    assert host.parse("HugePages:\nMemTotal\nSwapTotalled: 7 kB\n" + MEMINFO) == host.parse(MEMINFO)


def test_swapping_is_counted_in_pages_and_told_in_bytes() -> None:
    reading = host.parse(MEMINFO, vmstat=VMSTAT)
    page = os.sysconf("SC_PAGE_SIZE")
    assert (reading.swap_in, reading.swap_out, reading.oom_kills) == (12 * page, 72_448 * page, 1)


def test_pressure_is_in_microseconds() -> None:
    reading = host.parse(MEMINFO, pressure=PRESSURE)
    assert (reading.waiting_seconds, reading.stalled_seconds) == (4.25, 1.5)


def test_pressure_of_an_old_kernel_has_no_full_line() -> None:
    reading = host.parse(MEMINFO, pressure=PRESSURE.splitlines()[0])
    assert (reading.waiting_seconds, reading.stalled_seconds) == (4.25, None)


def test_load_and_cpus() -> None:
    reading = host.parse(MEMINFO, loadavg=LOADAVG, stat=STAT)
    assert (reading.load, reading.cpus) == ((2.31, 2.1, 1.95), 4)


@pytest.mark.parametrize(
    ("osrelease", "platform"),
    [(OSRELEASE, "linux"), ("5.15.153.1-microsoft-standard-WSL2\n", "wsl2"), ("6.6.36.3-Microsoft-own\n", "wsl2")],
)
def test_a_kernel_of_microsofts_is_wsl2(osrelease: str, platform: str) -> None:
    found = values(host.families(host.parse(MEMINFO, osrelease=osrelease)))
    assert found["trainwarden_host_info"] == {f"{osrelease.strip()},{platform}": 1}


def test_what_the_kernel_does_not_tell_is_absent_and_not_0() -> None:
    assert set(values(host.families(host.parse(MEMINFO)))) == {
        "trainwarden_host_memory_total_bytes",
        "trainwarden_host_memory_available_bytes",
        "trainwarden_host_swap_total_bytes",
        "trainwarden_host_swap_used_bytes",
    }


def test_a_file_that_may_not_be_read_is_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "vmstat").mkdir()
    assert host.read(tmp_path) == host.parse(MEMINFO)


def test_every_reading_is_new_though_the_handles_are_kept(tmp_path: Path) -> None:
    for available in (18874368, 9437184):
        (tmp_path / "meminfo").write_text(MEMINFO.replace("18874368", str(available)))
        assert host.read(tmp_path).memory_available == available * 1024


def test_this_machine_tells_all_that_its_kernel_has() -> None:
    reading = host.read()
    assert 0 < reading.memory_available <= reading.memory_total
    assert reading.cpus and reading.cpus == os.cpu_count()
    assert len(reading.load) == 3
    assert (reading.waiting_seconds is None) == (not Path("/proc/pressure/memory").exists())


def test_no_proc_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="meminfo"):
        host.read(tmp_path)
