"""What trainwarden is measured beside: fetched once into ``.cache/bench``, which git ignores; nothing is installed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trainwarden.errors import StackError
from trainwarden.stack import apt, tools

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "bench"
NVITOP = "nvitop-exporter~=1.7.0"

Say = Callable[[str], None]
"""Takes one line of progress."""


class Programs(NamedTuple):
    """None: it could not be had here, and its figures are left out."""

    nvitop: Path | None
    node: Path | None
    mtail: Path | None
    promtool: Path | None


def locate(say: Say) -> Programs:
    """Find every program, fetching what is missing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return Programs(
        nvitop=_nvitop(say),
        node=_debian("prometheus-node-exporter", say),
        mtail=_debian("mtail", say),
        promtool=_promtool(say),
    )


def _nvitop(say: Say) -> Path | None:
    """In a virtual environment of its own: its dependencies are not ours."""
    home = CACHE / "nvitop"
    program = home / "bin" / "nvitop-exporter"
    if not program.exists():
        say(f"Fetching {NVITOP} from PyPI")
        pip = [home / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", NVITOP]
        for command in ([sys.executable, "-m", "venv", "--clear", home], pip):
            if subprocess.run(command, capture_output=True, check=False).returncode:
                say(f"{NVITOP} could not be installed: its figures are left out")
                return None
    return program


def _debian(package: str, say: Say) -> Path | None:
    """The binary of a distribution's package that is called like the package, on PATH or unpacked."""
    binary = CACHE / package / "usr" / "bin" / package
    if found := shutil.which(package):
        return Path(found)
    if not binary.exists():
        say(f"Unpacking the distribution's {package}")
        try:
            _unpack(package)
        except (OSError, subprocess.SubprocessError):
            say(f"the distribution's {package} could not be fetched: its figures are left out")
            return None
    return binary


def _unpack(package: str) -> None:
    """Into a folder that gets its name only when it is complete."""
    lists = apt.Lists(CACHE / "apt")
    lists.update()
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        lists.unpack([package], Path(scratch) / package)
        (Path(scratch) / package).rename(CACHE / package)


def _promtool(say: Say) -> Path | None:
    folder = Path(os.environ.get(tools.FOLDER_ENVIRONMENT) or REPOSITORY / ".tools")
    try:
        return tools.locate(folder, say).promtool
    except StackError as error:
        say(f"no promtool, no lint: {error}")
        return None
