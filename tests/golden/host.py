"""What the kernel of the recorded machine tells: excerpts of ``/proc``, every line that is read among some others."""

import os
from pathlib import Path

MEMINFO = """\
MemTotal:       31457280 kB
MemFree:         9437184 kB
MemAvailable:   18874368 kB
SwapTotal:       8388608 kB
SwapFree:        8098816 kB
"""

VMSTAT = """\
nr_free_pages 2359296
pgpgin 48210344
pswpin 12
pswpout 72448
pgfault 911320041
oom_kill 1
"""

PRESSURE = """\
some avg10=0.00 avg60=0.12 avg300=0.05 total=4250000
full avg10=0.00 avg60=0.04 avg300=0.01 total=1500000
"""

LOADAVG = "2.31 2.10 1.95 3/712 90210\n"

STAT = """\
cpu  906812 120 80211 6022111 4100 0 311 0 0 0
cpu0 226703 30 20052 1505527 1025 0 80 0 0 0
cpu1 226703 30 20053 1505528 1025 0 77 0 0 0
cpu2 226703 30 20053 1505528 1025 0 77 0 0 0
cpu3 226703 30 20053 1505528 1025 0 77 0 0 0
btime 1763913600
"""

OSRELEASE = "6.1.0-28-amd64\n"

BOOT_ID = "6f9d2c54-8a1f-4d53-9a51-0f3f2f6a7c11"

PROCESSES = {
    4242: ("/home/user/venv/bin/python3.10 train_network.py --config_file luca.toml", 7_504_242, 2_600_000),
    5100: ("python train.py --output_dir out", 7_600_000, 1_572_864),
    1711: ("/opt/Xorg :0 -auth /run/user/1000/xauth", 120, 60_000),
    4250: ("/home/user/venv/bin/python3.10 train_network.py --config_file luca.toml", 7_504_250, 140_000),
    812: ("/usr/lib/systemd/systemd-journald", 90, 9_000),
    1: ("/sbin/init", 1, 3_000),
}
"""Command line, start time in ticks, and resident pages, by pid."""


def write(proc: Path) -> None:
    """Make the files under ``proc``."""
    files = {
        "self/ns/pid": "",
        "sys/kernel/random/boot_id": f"{BOOT_ID}\n",
        "meminfo": MEMINFO,
        "vmstat": VMSTAT,
        "pressure/memory": PRESSURE,
        "loadavg": LOADAVG,
        "stat": STAT,
        "sys/kernel/osrelease": OSRELEASE,
    }
    for pid, (command, start, pages) in PROCESSES.items():
        files[f"{pid}/stat"] = f"{pid} (a name) S 1 1 1 0 -1 0 0 0 0 0 900 100 0 0 20 0 4 0 {start} 0 {pages} 0\n"
        files[f"{pid}/cmdline"] = command.replace(" ", "\0") + "\0"
    for name, text in files.items():
        (proc / name).parent.mkdir(parents=True, exist_ok=True)
        (proc / name).write_text(text)


ROOM = os.statvfs_result((4096, 4096, 244_140_625, 97_656_250, 85_449_218, 61_054_976, 55_000_000, 54_990_000, 0, 255))
"""A file system of a terabyte, a third of it left."""
