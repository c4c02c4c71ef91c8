"""The official release of a Prometheus project, downloaded and held against its published checksum."""

import hashlib
import os
import platform
import re
import tarfile
import tempfile
import time
from pathlib import Path

import requests

from trainwarden.errors import StackError

BASE_ENVIRONMENT = "TRAINWARDEN_RELEASES_URL"
"""Environment variable: where releases are downloaded from (a mirror inside a closed network, say)."""
BASE_DEFAULT = "https://github.com/prometheus"

TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and between two pieces."""
DOWNLOAD_SECONDS = 600
"""For the whole archive (about 100 MB)."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armv7"}


def install(project: str, version: str, names: list[str], folder: Path) -> None:
    """Put the programs ``names`` of the release into ``folder/<release>/``.

    Raises ``requests.RequestException`` where it cannot be fetched (offline, say), and ``StackError`` where what came
    is not what its checksum promises; nothing is installed then.
    """
    machine = _ARCHITECTURES.get(platform.machine(), platform.machine())
    stem = f"{project}-{version}.linux-{machine}"
    base = f"{os.environ.get(BASE_ENVIRONMENT, BASE_DEFAULT)}/{project}/releases/download/v{version}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".release-") as scratch:
        expected = _checksum(f"{base}/sha256sums.txt", f"{stem}.tar.gz")
        archive = Path(scratch) / "archive"
        actual = _download(f"{base}/{stem}.tar.gz", archive)
        if actual != expected:
            raise StackError(
                f"{base}/{stem}.tar.gz: its checksum is not the one in sha256sums.txt, so it was thrown away; "
                f"try again, or install {project} {version} yourself"
            )
        unpacked = Path(scratch) / stem
        _unpack(archive, stem, names, unpacked)
        unpacked.rename(folder / stem)


def _checksum(url: str, file: str) -> str:
    answer = requests.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    found = re.search(rf"^([0-9a-f]{{64}})\s+\*?{re.escape(file)}$", answer.text, re.MULTILINE)
    if found is None:
        raise StackError(f"{url}: has no checksum for {file}; is there a release for this machine's architecture?")
    return found.group(1)


def _download(url: str, target: Path) -> str:
    """Write the file and return its SHA-256."""
    deadline = time.monotonic() + DOWNLOAD_SECONDS
    digest = hashlib.sha256()
    with requests.get(url, timeout=TIMEOUT, stream=True) as answer, target.open("wb") as file:
        answer.raise_for_status()
        for piece in answer.iter_content(1 << 20):
            if time.monotonic() > deadline:
                raise requests.Timeout(f"{url}: not done after {DOWNLOAD_SECONDS} s")
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def _unpack(archive: Path, stem: str, names: list[str], target: Path) -> None:
    """Take out the named programs only: nothing else of the archive is written anywhere."""
    target.mkdir()
    try:
        with tarfile.open(archive) as tar:
            for name in names:
                source = tar.extractfile(f"{stem}/{name}")
                if source is None:
                    raise StackError(f"the release {stem} holds no program {name}")
                (target / name).write_bytes(source.read())
                (target / name).chmod(0o755)
    except (KeyError, tarfile.TarError) as error:
        raise StackError(f"the release {stem} cannot be unpacked: {error}") from error
