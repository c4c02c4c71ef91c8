"""What the nights share."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nvml import FakeDriver


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throwaway folder for a module's night."""
    return tmp_path_factory.mktemp("night")


@pytest.fixture(scope="module")
def driver(nvml_library: Path, folder: Path) -> FakeDriver:
    """A fake driver with a GPU for every run of the night, all busy."""
    return FakeDriver(nvml_library, folder / "nvml.script", gpus=8)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The final weights of the demo training when nothing happens to it (8 epochs of 10 steps)."""
    target = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "trainwarden.demo", "--save_state", "--output_dir", str(target)]
    settings = ["--output_name", "calm", "--max_train_epochs", "8", "--steps_per_epoch", "10"]
    subprocess.run([*command, *settings], check=True, capture_output=True)
    return (target / "calm.safetensors").read_bytes()
