"""The exporter as a process beside a driver of eight cards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nvml import FakeDriver
from tests.web.exporter import Exporter


@pytest.fixture
def exporter(nvml: FakeDriver, state_home: Path) -> Iterator[Exporter]:
    nvml.resize(8)
    exporter = Exporter(nvml.environment())
    yield exporter
    exporter.close()
