"""The exporter beside two different cards: whose number is not the driver's is given no card, and told why."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.collectors.samples import spec, state, write
from tests.support.nvml import FakeDriver, uuid_of
from tests.web.exporter import Exporter
from trainwarden import system
from trainwarden.model import Identity, Member
from trainwarden.runs import visible
from trainwarden.runs.folder import runs_root

FAMILIES = ("trainwarden_run_gpu", "trainwarden_run_gpu_foreign_processes")


@pytest.fixture
def mixed(nvml: FakeDriver, state_home: object) -> Iterator[Exporter]:
    nvml.resize(2)
    nvml.set(gpu=1, name="NVIDIA A100-SXM4-80GB")
    exporter = Exporter(nvml.environment())
    yield exporter
    if exporter.process.poll() is None:
        exporter.close()


def run(name: str, spec_gpus: list[int] | None = None, **facts: object) -> None:
    stat = system.read_stat(os.getpid())
    assert stat is not None
    me = Identity(system.boot_id(), os.getpid(), stat.start_time, system.pid_namespace())
    members = [Member(pid=me.pid, start_time=me.start_time, state="R")]
    now = time.time()
    alive = state(training=me, members=members, beat_at=now, started_at=now, **facts)
    write(runs_root(), spec(name, gpus=spec_gpus), alive)


def test_a_number_that_may_mean_the_other_card_gives_the_run_none_and_the_log_says_so_once(mixed: Exporter) -> None:
    run("by-number", gpus=["0"])
    run("by-bus", gpus=["0"], gpus_by_bus=True)
    run("by-uuid", gpus=[uuid_of(1)])
    for _ in range(3):
        found = mixed.scrape()
    assert found["trainwarden_run_gpu"] == {f"0,by-bus,{uuid_of(0)}": 1, f"1,by-uuid,{uuid_of(1)}": 1}
    assert not any("by-number" in labels for family in FAMILIES for labels in found.get(family, ()))
    said = mixed.close()
    assert said.count(visible.DOUBT) == 1
    assert f"run by-number: {visible.DOUBT}" in said


def test_a_lost_card_is_not_forgotten_to_be_of_another_model(mixed: Exporter, nvml: FakeDriver) -> None:
    run("by-number", gpus=["0"])
    mixed.scrape()
    nvml.set(gpu=1, mode="lost")
    assert mixed.scrape()["trainwarden_gpu_up"][f"1,{uuid_of(1)}"] == 0
    assert not mixed.scrape().get("trainwarden_run_gpu")


def test_a_card_that_was_never_read_may_be_of_another_model(mixed: Exporter, nvml: FakeDriver) -> None:
    nvml.set(gpu=1, mode="lost")
    run("by-number", gpus=["0"])
    run("declared", gpus=["0"], spec_gpus=[0, 1])
    run("silent")
    found = mixed.scrape()
    assert found["trainwarden_gpu_up"][f"0,{uuid_of(0)}"] == 1
    assert found["trainwarden_run_gpu"] == {f"0,declared,{uuid_of(0)}": 1}


def test_equal_cards_are_the_same_in_either_order(mixed: Exporter, nvml: FakeDriver) -> None:
    nvml.set(gpu=1, name="NVIDIA GeForce RTX 4080")
    run("by-number", gpus=["1"])
    assert mixed.scrape()["trainwarden_run_gpu"] == {f"1,by-number,{uuid_of(1)}": 1}
    assert visible.DOUBT not in mixed.close()
