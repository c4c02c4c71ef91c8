"""Finds Prometheus and Alertmanager: on PATH, in the distribution's packages, in the official release.

What had to be fetched is kept in the project's own tools folder and found there the next time. Nothing is installed
into the system.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import requests

from trainwarden import system
from trainwarden.errors import StackError
from trainwarden.stack import apt, release, version
from trainwarden.stack.relocate import relocate_alertmanager
from trainwarden.stack.version import Version

FOLDER_ENVIRONMENT = "TRAINWARDEN_TOOLS"
"""Environment variable: the tools folder, instead of ``$XDG_CACHE_HOME/trainwarden/tools``."""

Say = Callable[[str], None]
"""Takes one line of progress."""


class Project(NamedTuple):
    """A server and the tool that belongs to it."""

    name: str
    title: str
    servers: tuple[str, ...]
    """What the server's binary may be called."""
    tool: str
    package: str
    """Debian's and Ubuntu's package."""
    minimum: Version
    release: str
    """The official release that is taken where nothing else is there."""


PROMETHEUS = Project(
    "prometheus",
    "Prometheus",
    servers=("prometheus",),
    tool="promtool",
    package="prometheus",
    minimum=(2, 42),  # keep_firing_for
    release="3.14.0",
)
ALERTMANAGER = Project(
    "alertmanager",
    "Alertmanager",
    servers=("alertmanager", "prometheus-alertmanager"),
    tool="amtool",
    package="prometheus-alertmanager",
    minimum=(0, 25),  # auth_password_file
    release="0.34.0",
)


class Pair(NamedTuple):
    """A project's two binaries."""

    server: Path
    tool: Path


class Tools(NamedTuple):
    """Everything that the stack and the checks of its configuration need."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path


def default_folder() -> Path:
    """Where fetched programs are kept: ``$TRAINWARDEN_TOOLS``, else under ``$XDG_CACHE_HOME``."""
    if named := os.environ.get(FOLDER_ENVIRONMENT):
        return Path(named).absolute()
    return system.base_folder("XDG_CACHE_HOME", ".cache") / "trainwarden" / "tools"


def locate(folder: Path, say: Say) -> Tools:
    """Find all four programs, fetching what is missing into ``folder``.

    Raises ``StackError`` with one sentence that says what to install where none of the ways led to them.
    """
    pairs = [find_installed(p, folder) or _fetch(p, folder, say) for p in (PROMETHEUS, ALERTMANAGER)]
    return Tools(*pairs[0], *pairs[1])


def find_installed(project: Project, folder: Path) -> Pair | None:
    """The project's binaries on PATH or in the tools folder, where both are there and new enough."""
    unpacked = [*folder.glob(f"{project.package}_*/usr/bin"), *folder.glob(f"{project.name}-*/")]
    for place in (None, *sorted(unpacked, reverse=True)):
        search = str(place) if place else os.environ.get("PATH", os.defpath)
        server = next(filter(None, (shutil.which(name, path=search) for name in project.servers)), None)
        tool = shutil.which(project.tool, path=search)
        if server and tool and _new_enough(Path(server), project):
            return Pair(Path(server), Path(tool))
    return None


def unpacked_share(binary: Path) -> Path | None:
    """``usr/share`` beside a binary that was unpacked from a package: it does not look there by itself."""
    root = binary.parent.parent.parent
    share = root / "usr" / "share"
    return share if root != Path("/") and share.is_dir() else None


def _new_enough(server: Path, project: Project) -> bool:
    found = version.of_binary(server, project.name)
    return found is not None and found >= project.minimum


def _fetch(project: Project, folder: Path, say: Say) -> Pair:
    """Try one way after the other."""
    reasons = [f"{project.title} {version.text(project.minimum)} or newer is not on PATH"]
    with _locked(folder):
        if pair := find_installed(project, folder):
            return pair  # another process fetched it while this one waited for the lock
        for way in (_from_packages, _from_release):
            reasons.append(way(project, folder, say) or "what was fetched does not run here")
            if pair := find_installed(project, folder):
                return pair
    raise StackError(
        f"{', '.join(reasons[:-1])}, and {reasons[-1]}: install it (Debian 12, Ubuntu 24.04 or newer: "
        f"sudo apt install {project.package}), or put the programs {project.name} and {project.tool} from "
        f"https://prometheus.io/download on PATH"
    )


def _from_packages(project: Project, folder: Path, say: Say) -> str | None:
    """Unpack the distribution's package; returns why not, where not."""
    if not apt.available():
        return "this system has no apt"
    say(f"Looking for {project.title} in the distribution's packages (as this user; nothing is installed)")
    try:
        lists = apt.Lists(folder / ".apt")
        lists.update()
        offered = lists.candidate(project.package)
        if offered is None:
            return "the distribution does not offer it"
        if offered < project.minimum:
            return f"the distribution's {version.text(offered)} is too old"
        say(f"Unpacking the distribution's {project.title} {version.text(offered)}")
        _unpack(lists, project, folder, f"{project.package}_{version.text(offered)}")
    except (OSError, subprocess.SubprocessError):
        return "the distribution's packages could not be fetched"
    except StackError as error:
        return f"the distribution's does not run without being installed ({error})"
    return None


def _unpack(lists: apt.Lists, project: Project, folder: Path, name: str) -> None:
    """Into a folder that gets its name only when it is complete."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as scratch:
        lists.unpack([project.package, *lists.parts(project.package, project.tool)], Path(scratch) / name)
        if project is ALERTMANAGER:
            relocate_alertmanager(Path(scratch) / name)
        (Path(scratch) / name).rename(folder / name)


def _from_release(project: Project, folder: Path, say: Say) -> str | None:
    """Download the official release; returns why not, where not."""
    say(f"Downloading the official release of {project.title} {project.release}")
    try:
        release.install(project.name, project.release, [project.name, project.tool], folder)
    except requests.RequestException:
        return f"its release {project.release} could not be downloaded"
    return None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process fetches at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
