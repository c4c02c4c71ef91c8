"""A user's home in which drills are held."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.home import Home
from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.drill.ground import MARK
from trainwarden.stack.state import StackFolder
from trainwarden.stack.tools import Tools


class DrillHome(Home):
    """A home, what a drill does in it, and what it leaves there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.root = folder / "state/trainwarden/drill"
        self.drill_stack = StackFolder(self.root / "state/trainwarden/stack")

    def drill(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, the JSON that it printed, and what it said beside that."""
        done = self.trainwarden("drill", *arguments, "--json")
        return done.returncode, json.loads(done.stdout), done.stderr

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """The same, not waited for."""
        command = [sys.executable, "-m", "trainwarden", "drill", *arguments]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def services(self) -> dict[str, int]:
        """The pid of each service of the drill's stack that was started so far."""
        state = self.drill_stack.read()
        return {service.name: service.process.pid for service in state.services} if state else {}

    def urls(self) -> list[str]:
        """Where they answer."""
        state = self.drill_stack.read()
        return [service.url for service in state.services] if state else []

    def trains(self) -> bool:
        """Whether the scratch run has begun to take steps."""
        return any(self.root.glob("state/trainwarden/runs/*/progress/output-0.json"))

    def marked(self) -> list[int]:
        """Everything alive that carries the drill's mark, by /proc and not by what the drill believes."""
        mine = [pid for pid in system.all_pids() if system.read_environment(pid).get(MARK) == str(self.root)]
        return [pid for pid in mine if (stat := system.read_stat(pid)) and stat.state != "Z"]

    def files(self) -> list[str]:
        """Every file and folder below the state home."""
        return sorted(str(path.relative_to(self.folder)) for path in (self.folder / "state").rglob("*"))

    def clear(self) -> None:
        super().clear()
        for pid in self.marked():
            subprocess.run(["kill", "-KILL", str(pid)], check=False)


def await_training(home: DrillHome) -> None:
    wait_until(home.trains, 60, "the scratch run trains")


@pytest.fixture
def home(tmp_path: Path, tools: Tools) -> Iterator[DrillHome]:
    home = DrillHome(tmp_path)
    yield home
    home.clear()
