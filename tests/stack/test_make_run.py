"""A newcomer's first command, from a checkout with nothing in it, everything downloaded."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.conftest import REPOSITORY
from tests.support.ports import free_port
from tests.support.wait import wait_until

SECONDS = 120
"""From `make run` to the first sample in Prometheus."""


def check_out(target: Path) -> None:
    """What git knows of the working tree, and nothing that was built in it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name)


@pytest.mark.heavy
def test_make_run_shows_life_in_time(tmp_path: Path) -> None:
    check_out(tmp_path / "checkout")
    ports = {name: free_port() for name in ("exporter", "receiver", "prometheus", "alertmanager")}
    given = " ".join(f"--{name}-port {port}" for name, port in ports.items())
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("TRAINWARDEN_", "VIRTUAL_ENV"))},
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    make = ["make", "--silent", "run", f"ARGS=--detach --json {given}"]
    try:
        done = subprocess.run(
            make,
            cwd=tmp_path / "checkout",
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        url = json.loads(done.stdout.splitlines()[-1])["addresses"]["prometheus"] + "api/v1/query"
        question = {"query": 'trainwarden_run_step{run="demo"} > 0'}
        wait_until(
            lambda: requests.get(url, params=question, timeout=5).json()["data"]["result"], 60, "the demo takes steps"
        )
    finally:
        down = [tmp_path / "checkout/.venv/bin/trainwarden", "down"]
        subprocess.run(down, env=environment, check=True)
