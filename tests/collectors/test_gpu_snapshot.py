import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.nvml import GIB, FakeDriver, uuid_of
from trainwarden.collectors.gpu_snapshot import GpuUse, snapshot

PATIENT = 30.0
"""Seconds; far more than a child needs."""


@pytest.fixture(autouse=True)
def around(nvml: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in nvml.environment().items():
        monkeypatch.setenv(name, value)
    yield


def test_every_card_with_its_memory(nvml: FakeDriver) -> None:
    nvml.resize(2)
    nvml.set(gpu=0, memory_used=GIB, memory_total=16 * GIB, utilization=50)
    nvml.set(gpu=1, memory_used=None, utilization=None)
    assert snapshot(PATIENT) == [
        GpuUse(
            index=0,
            uuid=uuid_of(0),
            memory_used_bytes=GIB,
            memory_total_bytes=16 * GIB,
            utilization_ratio=0.5,
        ),
        GpuUse(index=1, uuid=uuid_of(1), memory_used_bytes=None, memory_total_bytes=None, utilization_ratio=None),
    ]


def test_no_driver_is_no_card(nvml: FakeDriver) -> None:
    nvml.set(mode="not_loaded")
    assert snapshot(PATIENT) == []


def test_a_lost_card_is_left_out(nvml: FakeDriver) -> None:
    nvml.set(gpu=0, mode="lost")
    assert snapshot(PATIENT) == []


@pytest.mark.parametrize("facts", [{"gpu": 0, "mode": "unknown"}, {"mode": "blocked"}])
def test_a_driver_that_answers_wrongly_is_dark(nvml: FakeDriver, facts: dict[str, object]) -> None:
    nvml.set(**facts)
    assert snapshot(PATIENT) is None


def test_a_driver_that_hangs_is_dark_after_the_deadline_and_the_child_is_not_waited_for(nvml: FakeDriver) -> None:
    nvml.set(gpu=0, mode="hang")
    assert snapshot(0.5) is None
    nvml.set(gpu=0, mode="ok")
    assert snapshot(PATIENT) is not None


def test_the_child_prints_json_and_one_sentence_where_it_cannot(nvml: FakeDriver) -> None:
    command = [sys.executable, "-m", "trainwarden.collectors.gpu_snapshot"]
    said = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=PATIENT, check=True)
    (card,) = json.loads(said.stdout)["gpus"]
    assert card.keys() == {"index", "uuid", "memory_used_bytes", "memory_total_bytes", "utilization_ratio"}
    nvml.set(gpu=0, mode="unknown")
    said = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=PATIENT, check=False)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr == "GPU 0 does not answer: Unknown Error; see what nvidia-smi says\n"
