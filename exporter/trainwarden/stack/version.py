"""Versions, as far as it takes to tell what is too old."""

import re
import subprocess
from pathlib import Path

Version = tuple[int, int]
"""Major and minor: what decides whether our configuration is understood."""


def first_version(text: str) -> Version | None:
    """The first ``number.number`` of a text."""
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def of_binary(binary: Path, project: str) -> Version | None:
    """What ``binary --version`` says; None where it does not run, or is a program of another project."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    said = re.search(rf"^{project}, version (\S+)", done.stdout + done.stderr, re.MULTILINE)
    return first_version(said.group(1)) if said else None


def text(version: Version) -> str:
    """As people write it."""
    return ".".join(map(str, version))
