"""The exporter as a process, while the GPU driver fails it."""

import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.nvml import GIB, FakeDriver, uuid_of
from tests.support.wait import wait_until
from tests.web.exporter import Exporter, Samples
from trainwarden.cli import main
from trainwarden.config import Config
from trainwarden.web import exposition

SCRAPE_LIMIT = 1.0
"""Seconds in which a scrape answers, whatever hangs."""


def timed(exporter: Exporter) -> tuple[Samples, float]:
    began = time.monotonic()
    return exporter.scrape(), time.monotonic() - began


def of_cards(*cards: int) -> set[str]:
    return {f"{card},{uuid_of(card)}" for card in cards}


def test_one_of_eight_that_hangs_shows_only_that_it_is_down_and_the_others_what_they_say_now(
    nvml: FakeDriver, exporter: Exporter
) -> None:
    exporter.scrape()
    nvml.set(gpu=5, mode="hang")
    for card in range(8):
        nvml.set(gpu=card, temperature=91)
    others = set(range(8)) - {5}
    for scrapes in (1, 2):
        found, took = timed(exporter)
        assert took < SCRAPE_LIMIT
        with_samples = {name for name, values in found.items() for labels in values if uuid_of(5) in labels}
        assert with_samples == {"trainwarden_gpu_up"}
        assert found["trainwarden_gpu_up"] == dict.fromkeys(of_cards(*others), 1) | dict.fromkeys(of_cards(5), 0)
        hot = found["trainwarden_gpu_temperature_celsius"]
        assert hot == {f"{card},gpu,{uuid_of(card)}": 91 for card in others}
        assert [name for name, good in found["trainwarden_collector_success"].items() if not good] == ["gpu"]
        assert found["trainwarden_collector_timeouts_total"]["gpu"] == scrapes
    nvml.set(gpu=5, mode="ok")
    assert wait_until(lambda: exporter.scrape()["trainwarden_collector_success"]["gpu"] == 1, 5, "it answers again")
    assert set(exporter.scrape()["trainwarden_gpu_temperature_celsius"].values()) == {91}


def test_eight_that_hang_do_not_hold_the_scrape_up(nvml: FakeDriver, exporter: Exporter) -> None:
    exporter.scrape()
    for card in range(8):
        nvml.set(gpu=card, mode="hang")
    found, took = timed(exporter)
    assert (took < SCRAPE_LIMIT, set(found["trainwarden_gpu_up"].values())) == (True, {0})


@pytest.mark.parametrize("whole_driver", [False, True])
def test_it_ends_within_a_second_while_the_driver_hangs(
    nvml: FakeDriver, exporter: Exporter, whole_driver: bool
) -> None:
    exporter.scrape()
    nvml.set(gpu=None if whole_driver else 0, mode="hang")
    exporter.scrape()
    began = time.monotonic()
    exporter.process.terminate()
    exporter.process.wait(20)
    assert (exporter.process.returncode, time.monotonic() - began < 1.0) == (0, True)


def test_traffic_and_pids_are_told_where_they_are_asked_for(nvml: FakeDriver, state_home: Path, tmp_path: Path) -> None:
    nvml.set(gpu=0, pcie_receive=1, pcie_transmit=2, processes=[(os.getpid(), GIB)])
    settings = tmp_path / "trainwarden.yml"
    settings.write_text(json.dumps({"exporter": {"gpu_pcie": True, "gpu_pids": True, "gpus_expected": 4}}))
    plain = Exporter(nvml.environment())
    told = Exporter({**nvml.environment(), "TRAINWARDEN_CONFIG": str(settings)})
    try:
        found = told.scrape()
        assert found["trainwarden_gpu_pcie_bytes_per_second"] == {
            f"receive,0,{uuid_of(0)}": 1024,
            f"transmit,0,{uuid_of(0)}": 2048,
        }
        assert found["trainwarden_gpu_pid_memory_bytes"] == {f"0,{os.getpid()},,{uuid_of(0)}": GIB}
        assert found["trainwarden_gpus_expected"] == {"": 4}
        silent = plain.scrape()
        assert {"trainwarden_gpu_pcie_bytes_per_second", "trainwarden_gpu_pid_memory_bytes"}.isdisjoint(silent)
        assert silent["trainwarden_gpus_expected"] == {"": 1}
    finally:
        plain.close()
        told.close()


def test_the_flags_ask_for_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[Config] = []
    monkeypatch.setattr(exposition, "serve", lambda config, *_: served.append(config))
    monkeypatch.chdir(tmp_path)  # no trainwarden.yml there
    for flags in ([], ["--collector.gpu.pcie"], ["--collector.gpu.pids"]):
        CliRunner().invoke(main, ["exporter", *flags], catch_exceptions=False)
    asked = [(config.exporter.gpu_pcie, config.exporter.gpu_pids) for config in served]
    assert asked == [(False, False), (True, False), (False, True)]
