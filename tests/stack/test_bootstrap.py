"""`scripts/bootstrap`: a Python environment with pip, also where Debian keeps ensurepip in another package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.stack.test_tools import put
from trainwarden.stack import apt


def bootstrap(folder: Path, python: str) -> subprocess.CompletedProcess[str]:
    command = [str(REPOSITORY / "scripts/bootstrap"), str(folder / "venv")]
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not apt.available(), reason="the way round is for systems with apt")
def test_without_ensurepip_pip_comes_from_the_distributions_packages(tmp_path: Path) -> None:
    shim = f'case "$*" in *"import ensurepip"*) exit 1 ;; esac\nexec {sys._base_executable} "$@"'
    done = bootstrap(tmp_path, str(put(tmp_path / "python3", shim)))
    assert done.returncode == 0, done.stderr
    asked = subprocess.run([tmp_path / "venv/bin/pip", "--version"], capture_output=True, text=True, check=True)
    assert str(tmp_path / "venv") in asked.stdout
    assert not (tmp_path / "venv/.pip").exists()


def test_an_old_python_is_named_with_what_is_needed(tmp_path: Path) -> None:
    shim = put(tmp_path / "python3", '[ "$1" = --version ] && echo Python 3.8.10 && exit\nexit 1')
    done = bootstrap(tmp_path, str(shim))
    assert done.returncode == 1
    assert done.stderr == (
        "bootstrap: Python 3.8.10 is too old: 3.10 or newer is needed; name one: make PYTHON=/path/to/python3\n"
    )


def test_no_python_at_all_says_what_to_install(tmp_path: Path) -> None:
    done = bootstrap(tmp_path, str(tmp_path / "python3"))
    assert done.returncode == 1
    assert "is not there: install Python 3.10 or newer (Debian, Ubuntu: sudo apt install python3)" in done.stderr
