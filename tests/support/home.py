"""A user's home in which `trainwarden` is used, the whole stack included."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from tests.conftest import REPOSITORY
from tests.support.ports import free_port
from trainwarden import system
from trainwarden.stack.state import StackFolder
from trainwarden.stack.tools import FOLDER_ENVIRONMENT

SERVICES = ("exporter", "receiver", "prometheus", "alertmanager")


class Home:
    """A user's home with nothing in it, and the command line used there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in SERVICES}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TRAINWARDEN_")},
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            FOLDER_ENVIRONMENT: os.environ.get(FOLDER_ENVIRONMENT) or str(REPOSITORY / ".tools"),
        }
        self.stack = StackFolder(folder / "state/trainwarden/stack")

    def up(self, *options: str) -> list[str]:
        given = [part for name, port in self.ports.items() for part in (f"--{name}-port", str(port))]
        return [sys.executable, "-m", "trainwarden", "up", *given, *options]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr
        return done

    def trainwarden(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "trainwarden", *arguments)

    def get(self, name: str, path: str, **parameters: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.ports[name]}{path}", params=parameters, timeout=5)

    def query(self, expression: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("prometheus", "/api/v1/query", query=expression).json()["data"]["result"]
        return found

    def processes(self) -> list[int]:
        """Everything that lives and was started from this home, read from /proc."""
        mine = [pid for pid in system.all_pids() if self._is_mine(pid)]
        return [pid for pid in mine if (stat := system.read_stat(pid)) and stat.state != "Z"]

    def _is_mine(self, pid: int) -> bool:
        return system.read_environment(pid).get("XDG_STATE_HOME") == self.environment["XDG_STATE_HOME"]

    def clear(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
