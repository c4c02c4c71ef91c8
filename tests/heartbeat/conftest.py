"""A run folder, and a process that is or is not a member of the run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import REPOSITORY
from trainwarden.heartbeat import Heartbeat
from trainwarden.heartbeat.place import RANKS
from trainwarden.runs.folder import RunFolder


@pytest.fixture
def folder(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The folder of run ``luca``; this process is no member of it."""
    for variable in (*RANKS, "TRAINWARDEN_RUN", "TRAINWARDEN_GENERATION"):
        monkeypatch.delenv(variable, raising=False)
    folder = RunFolder("luca")
    folder.create()
    return folder


@pytest.fixture
def launched(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """As `trainwarden run` would have launched this process, as generation 2."""
    monkeypatch.setenv("TRAINWARDEN_RUN", "luca")
    monkeypatch.setenv("TRAINWARDEN_GENERATION", "2")
    return folder


@pytest.fixture
def heartbeat(launched: RunFolder) -> Iterator[Heartbeat]:
    with Heartbeat() as made:
        yield made


def run_script(script: str, **more: str) -> subprocess.CompletedProcess[str]:
    """A training in a process of its own, with the standard library and nothing else."""
    path = f"import sys; sys.path.insert(0, {str(REPOSITORY / 'exporter')!r})\n"
    command = [sys.executable, "-I", "-S", "-c", path + dedent(script)]
    return subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=60, check=False)
