"""What the kernel tells: process identity, clocks, and files that are replaced whole; and where our own files stand.

Standard library only: the keeper, which must stay small and cannot fail, imports this, and so does a training.
"""

import json
import os
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

PROC = Path("/proc")


class ProcessStat(NamedTuple):
    """The fields of ``/proc/PID/stat`` that trainwarden reads (see proc(5))."""

    pid: int
    state: str
    parent: int
    session: int
    cpu_seconds: float
    """User and system time, seconds."""
    threads: int
    start_time: int
    """Field 22: clock ticks after boot. With the boot id and the pid it names one process for ever."""
    rss_bytes: int
    reaped_cpu_seconds: float = 0.0
    """Of the children that have died and that this process has waited for, seconds."""


def boot_id(proc: Path = PROC) -> str:
    """The kernel's random id of this boot."""
    return (proc / "sys/kernel/random/boot_id").read_text().strip()


def pid_namespace(proc: Path = PROC) -> int:
    """The inode of this process's PID namespace: pids of another namespace must not be looked up here."""
    return (proc / "self/ns/pid").stat().st_ino


def read_stat(pid: int, proc: Path = PROC) -> ProcessStat | None:
    """Read one process, or None when there is none of that pid (any more)."""
    try:
        text = _read(f"{proc}/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command may hold spaces and brackets: the fields begin after the last bracket.
    fields = text[text.rindex(b")") + 2 :].split()
    ticks = clock_ticks()
    return ProcessStat(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_seconds=(int(fields[11]) + int(fields[12])) / ticks,
        threads=int(fields[17]),
        start_time=int(fields[19]),
        rss_bytes=int(fields[21]) * page_size(),
        reaped_cpu_seconds=(int(fields[13]) + int(fields[14])) / ticks,
    )


def _read(path: str) -> bytes:
    """A whole small file. Supervisors read thousands an hour of them: no Path, no text."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, 65536)
    finally:
        os.close(handle)


def read_kept(path: str) -> str:
    """A whole file that the kernel keeps up to date in one place: opening it would cost more than reading it.

    Its handle is kept for as long as the process lives. Raises OSError.
    """
    handle = _kept(path)
    parts: list[bytes] = []
    while part := os.pread(handle, 65536, sum(map(len, parts))):
        parts.append(part)
    return b"".join(parts).decode()


@cache
def _kept(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@lru_cache
def clock_ticks() -> int:
    """Kernel clock ticks in a second: the unit of CPU times and start times in /proc."""
    return os.sysconf("SC_CLK_TCK")


@lru_cache
def page_size() -> int:
    """Bytes of a page: the unit of resident sizes in /proc."""
    return os.sysconf("SC_PAGE_SIZE")


def identify(pid: int, proc: Path = PROC) -> dict[str, Any] | None:
    """The fields of ``model.Identity`` for a process that lives, or None where there is none of that pid."""
    stat = read_stat(pid, proc)
    if stat is None:
        return None
    return {
        "boot_id": boot_id(proc),
        "pid": pid,
        "start_time": stat.start_time,
        "pid_namespace": pid_namespace(proc),
    }


def all_pids(proc: Path = PROC) -> list[int]:
    """Every pid that this process can see."""
    return list(all_processes(proc))


def all_processes(proc: Path = PROC) -> dict[int, int]:
    """Every pid that this process can see, with the inode of its folder: a pid given away again has another one."""
    with os.scandir(proc) as entries:
        return {int(entry.name): entry.inode() for entry in entries if entry.name.isdigit()}


def read_environment(pid: int, proc: Path = PROC) -> dict[str, str]:
    """The environment that a process was started with; empty when it is gone or belongs to somebody else."""
    try:
        raw = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.split(b"=", 1) for entry in raw.split(b"\0") if b"=" in entry)
    return {os.fsdecode(key): os.fsdecode(value) for key, value in pairs}


def read_cgroups(pid: int, proc: Path = PROC) -> dict[str, str]:
    """The control groups of a process: its path in each hierarchy (cgroups(7)); empty when the process is gone.

    The hierarchy of version 2 has the name "", systemd's own of version 1 ``name=systemd``.
    """
    try:
        lines = os.fsdecode(_read(f"{proc}/{pid}/cgroup")).splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 2)[1:] for line in lines)


def read_io(pid: int, proc: Path = PROC) -> int | None:
    """Bytes that a process, and the children that it has waited for, have moved; None: gone, or somebody else's.

    Through read and write calls (terminals included), and from and to storage, which alone shows what is read by
    mapping it into memory. What goes through a call to a disk counts twice: no rate, but a sign of any work.
    """
    try:
        lines = _read(f"{proc}/{pid}/io").splitlines()
    except OSError:
        return None
    values = dict(line.split(b": ", 1) for line in lines)
    return sum(int(values[name]) for name in (b"rchar", b"wchar", b"read_bytes", b"write_bytes"))


def oom_kills(proc: Path = PROC) -> int | None:
    """How often the kernel has killed for want of memory since boot; None where it does not tell."""
    try:
        text = _read(f"{proc}/vmstat").decode()
    except OSError:
        return None
    counts = (line.split()[1] for line in text.splitlines() if line.startswith("oom_kill "))
    return next(map(int, counts), None)


def state_root() -> Path:
    """``$XDG_STATE_HOME/trainwarden``, by default ``~/.local/state/trainwarden``."""
    return base_folder("XDG_STATE_HOME", ".local/state") / "trainwarden"


def base_folder(variable: str, default: str) -> Path:
    """One of the XDG base directories, ``default`` below the home; a relative path counts as not set, as they say."""
    named = Path(os.environ.get(variable, ""))
    return named if named.is_absolute() else Path.home() / default


def monotonic() -> float:
    """Seconds since boot, suspension included; the same for every process of this boot."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def is_text(name: str) -> bool:
    """Whether a name from the file system or a command line is UTF-8; Python keeps other bytes as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def replace_file(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace ``path`` whole by rename, so that a reader sees the old text or the new and nothing between.

    ``durable`` also waits for the disk, for what must survive a power cut.
    """
    # As tempfile would, without the megabyte that it brings.
    temporary = f"{path.parent}/.{path.name}.{os.urandom(6).hex()}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105  (the keeper's hot path: no second Path)
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise
    if durable:
        sync_folder(path.parent)


def replace_json(path: Path, value: Any, *, durable: bool = False) -> None:
    """Replace ``path`` with ``value`` as JSON, whole."""
    replace_file(path, json.dumps(value).encode(), durable=durable)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new file in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
