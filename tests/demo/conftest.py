import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest


class Demo(NamedTuple):
    """A demo training that runs as a real process, and the file that it prints to."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def text(self) -> str:
        return self.log.read_text()

    def finish(self) -> tuple[int, str]:
        """Wait for its end; exit status and everything that it printed."""
        return self.process.wait(60), self.text()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait(10) == -signal.SIGKILL


Launch = Callable[..., Demo]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start the demo in ``tmp_path``, which it writes to ``out/``; whatever still lives at the end is killed."""
    started: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        log = tmp_path / f"output.{len(started)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "trainwarden.demo", "--output_dir", "out", "--output_name", "tiny", *arguments],
                cwd=tmp_path,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(Demo(process, log))
        return started[-1]

    yield start
    for demo in started:
        demo.process.kill()
        demo.process.wait(10)
