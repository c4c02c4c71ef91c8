"""A tmux server of the test's own, and orders for it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trainwarden.launchers.engine import Order

Orders = Callable[..., Order]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The socket of a tmux server that is gone after the test."""
    socket = str(tmp_path / "tmux.sock")
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False, timeout=10)


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """An order for a shell script."""

    def order(script: str, generation: int = 1, **more: object) -> Order:
        usual: dict[str, object] = {
            "name": "luca",
            "run_id": "r1",
            "generation": generation,
            "argv": ["sh", "-c", script],
            "cwd": str(tmp_path),
            "environment": {"TRAINWARDEN_GENERATION": str(generation)},
            "output": str(tmp_path / f"output.{generation}.log"),
        }
        return Order(**{**usual, **more})  # type: ignore[arg-type]

    return order
