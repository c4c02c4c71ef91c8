"""Where a training arrives to which nothing happens."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The final weights of the demo training when nothing happens to it (8 epochs of 10 steps)."""
    target = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "trainwarden.demo", "--save_state", "--output_dir", str(target)]
    settings = ["--output_name", "calm", "--max_train_epochs", "8", "--steps_per_epoch", "10"]
    subprocess.run([*command, *settings], check=True, capture_output=True)
    return (target / "calm.safetensors").read_bytes()
