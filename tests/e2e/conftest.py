"""What the nights share."""

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
