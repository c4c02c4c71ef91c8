"""One scrape of everything, in this process: its deadline, its turns, and what stays when a part of it fails."""

import threading
import time
from pathlib import Path

import pytest

from tests.collectors.samples import spec, state, values, write
from trainwarden import names, textformat
from trainwarden.collectors import host
from trainwarden.collectors.base import Begun, Card
from trainwarden.collectors.gpu import GpusReading
from trainwarden.collectors.machine import Machine
from trainwarden.collectors.runs import Runs
from trainwarden.config import Config, ExporterConfig
from trainwarden.drill.simulated import Readings, SimulatedGpus, Simulation
from trainwarden.model import Ended, Outcome
from trainwarden.series import Series


class Sharing:
    """A sensor that hands on one reading for ever."""

    def __init__(self, begun: Begun[GpusReading]) -> None:
        self.known: dict[str, Card] = {}
        self._begun = begun

    def begin(self, seconds: float, *, anew: bool) -> Begun[GpusReading]:
        return self._begun


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(Config(), tmp_path)


def test_a_sensor_that_fails_takes_nothing_else_away(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "parse", lambda *_: 1 // 0)
    found = values(machine.collect())
    assert "trainwarden_host_memory_total_bytes" not in found
    success = found["trainwarden_collector_success"]
    assert [name for name, value in success.items() if not value] == ["host"]
    assert found["trainwarden_threshold"]


def test_the_asker_can_only_tighten_the_deadline(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    read = Runs.read
    monkeypatch.setattr(
        Runs, "read", lambda self, now, boot, seconds: given.append(seconds) or read(self, now, boot, seconds)
    )
    for deadline in (0.3, None, 60.0):
        machine.collect(deadline)
    tight, own, wide = given
    assert tight <= 0.3
    assert 0.3 < own <= 0.8 and 0.3 < wide <= 0.8


def test_two_scrapes_at_once_take_turns_and_each_reads_anew(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, reads = 0, 0, 0
    read = host.read

    def count(proc: Path) -> host.HostReading:
        nonlocal at_once, most, reads
        at_once, reads = at_once + 1, reads + 1
        most = max(most, at_once)
        time.sleep(0.05)
        at_once -= 1
        return read(proc)

    monkeypatch.setattr(host, "read", count)
    threads = [threading.Thread(target=machine.collect) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, reads) == (1, 4)


def test_what_is_shared_is_made_into_series_and_into_text_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "card.json"
    Simulation(path).write(Readings())
    shared = SimulatedGpus(path).begin(1.0, anew=True)
    machine = Machine(Config(), tmp_path, gpus=Sharing(shared))
    first, second = ({s.family: s.samples for s in machine.collect()} for _ in range(2))
    assert second[names.GPU_TEMPERATURE] is first[names.GPU_TEMPERATURE]
    textformat.write([Series(names.GPU_TEMPERATURE, first[names.GPU_TEMPERATURE])])
    monkeypatch.setattr(textformat, "_lines", lambda _: pytest.fail("written anew"))
    assert textformat.write([Series(names.GPU_TEMPERATURE, second[names.GPU_TEMPERATURE])])


def test_how_long_a_run_that_is_over_stays_is_a_setting(tmp_path: Path) -> None:
    ended = Ended(Outcome.FINISHED, time.time() - 100, exit_code=0)
    write(tmp_path, spec(), state(open=False, ended=ended))
    for keep, stays in ((1000.0, True), (10.0, False)):
        found = values(Machine(Config(exporter=ExporterConfig(keep_ended=keep)), tmp_path).collect())
        assert ("trainwarden_run_info" in found) == stays
