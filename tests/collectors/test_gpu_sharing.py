"""Scrapes that come close together share one reading of the GPUs, and what is said of it stays true."""

from collections.abc import Iterator

import pytest

from tests.collectors.gpu_console import sensor_console, up
from tests.collectors.samples import spec, state, write
from tests.support.console import Console
from tests.support.nvml import FakeDriver, uuid_of
from tests.support.wait import wait_until
from tests.web.exporter import Exporter, Samples
from trainwarden.collectors.machine import SCRAPE_SECONDS
from trainwarden.restart.exporter import Exporter as ReceiversEye
from trainwarden.runs.folder import runs_root

CARD = f"0,{uuid_of(0)}"
TEMPERATURE = "trainwarden_gpu_temperature_celsius"
OF_THE_SENSOR = tuple(
    f"trainwarden_collector_{what}" for what in ("duration_seconds", "last_success_timestamp_seconds")
)


@pytest.fixture
def sensor(nvml: FakeDriver) -> Iterator[Console]:
    console = sensor_console(nvml)
    console.ask("globals().update(look=lambda: to_builtins(gpus.begin().result()))")
    console.ask("globals().update(made=ctypes.CDLL('libnvidia-ml.so.1').fakeNvmlCalls)")
    yield console
    console.close()


@pytest.fixture
def patient(sensor: Console) -> Console:
    """A sensor that shares for a minute: this machine may be busy."""
    sensor.ask("setattr(sensor, 'SHARED_SECONDS', 60)")
    return sensor


def plain(exporter: Exporter) -> Samples:
    """As Prometheus scrapes."""
    return exporter.scrape(anew=False)


def celsius(found: Samples) -> float | None:
    return found.get(TEMPERATURE, {}).get(f"0,gpu,{uuid_of(0)}")


def test_a_second_look_asks_the_driver_nothing_and_one_that_is_to_be_anew_does(
    nvml: FakeDriver, patient: Console
) -> None:
    first = patient.ask("look()")
    nvml.set(gpu=0, temperature=81)
    before = patient.ask("made()")
    assert patient.ask("look()") == first
    assert patient.ask("made()") == before
    assert patient.ask("read()")["gpus"][0]["temperature_celsius"] == 81
    assert patient.ask("look()")["gpus"][0]["temperature_celsius"] == 81, "and who comes after has that one"


def test_a_moment_later_the_driver_is_asked_again(nvml: FakeDriver, sensor: Console) -> None:
    assert sensor.ask("sensor.SHARED_SECONDS") + SCRAPE_SECONDS <= 1
    sensor.ask("look()")
    nvml.set(gpu=0, temperature=81)
    wait_until(lambda: sensor.ask("look()")["gpus"][0]["temperature_celsius"] == 81, 5, "the card is asked again")


def test_the_age_counts_from_before_the_first_call_and_through_a_suspension(patient: Console) -> None:
    """The clock that goes on while the machine sleeps."""
    patient.ask("look()")
    young = "gpus._last.is_young"
    assert patient.ask(young) is True
    patient.ask("setattr(gpus._last, '_began_since_boot', gpus._last._began_since_boot - 61)")
    assert patient.ask(young) is False


@pytest.mark.parametrize("mode", ["hang", "unknown"])
def test_a_reading_with_a_fault_is_never_shared(nvml: FakeDriver, patient: Console, mode: str) -> None:
    nvml.resize(2)
    nvml.set(gpu=1, mode=mode)
    assert up(patient.ask("look()"))[uuid_of(0)]
    nvml.set(gpu=0, temperature=81)
    assert patient.ask("look()")["gpus"][0]["temperature_celsius"] == 81
    nvml.set(gpu=1, mode="ok")
    wait_until(lambda: not patient.ask("look()")["faults"], 5, "what mended is seen at once, not a minute later")


def test_a_machine_without_a_driver_shares_nothing(nvml: FakeDriver, patient: Console) -> None:
    nvml.set(mode="not_loaded")
    assert patient.ask("look()")["gpus"] == []
    nvml.set(mode="ok")
    assert up(patient.ask("look()")) == {uuid_of(0): True}


def test_scrapes_share_a_reading_for_less_than_a_second_and_it_counts_as_one_success(
    nvml: FakeDriver, exporter: Exporter
) -> None:
    def both() -> tuple[Samples, Samples] | None:
        first = exporter.scrape()
        nvml.set(gpu=0, temperature=81)
        second = plain(exporter)
        nvml.set(gpu=0, temperature=47)
        return (first, second) if celsius(second) == 47 else None  # else too much time lay between them

    first, second = wait_until(both, 20, "two scrapes close together")
    for family in OF_THE_SENSOR:
        assert second[family]["gpu"] == first[family]["gpu"]
    last = OF_THE_SENSOR[1]
    assert second[last]["host"] > first[last]["host"], "all else is read anew"
    nvml.set(gpu=0, temperature=82)
    found = wait_until(lambda: (now := plain(exporter)) and celsius(now) == 82 and now, 5, "the new temperature")
    assert found[last]["gpu"] > first[last]["gpu"]


def test_a_card_that_hangs_is_gone_from_shared_readings_within_five_seconds_and_comes_back(
    nvml: FakeDriver, exporter: Exporter
) -> None:
    plain(exporter)
    nvml.set(gpu=0, mode="hang")
    hung = wait_until(lambda: (now := plain(exporter))["trainwarden_gpu_up"][CARD] == 0 and now, 5, "it is down")
    assert {name for name, values in hung.items() if any(uuid_of(0) in labels for labels in values)} == {
        "trainwarden_gpu_up"
    }
    assert hung["trainwarden_collector_success"]["gpu"] == 0
    timeouts = hung["trainwarden_collector_timeouts_total"]["gpu"]
    assert plain(exporter)["trainwarden_collector_timeouts_total"]["gpu"] == timeouts + 1, "each reading that it missed"
    nvml.set(gpu=0, mode="ok")
    wait_until(lambda: plain(exporter)["trainwarden_gpu_up"][CARD] == 1, 5, "it is up again")
    wait_until(lambda: plain(exporter)["trainwarden_collector_success"]["gpu"] == 1, 5, "and all are read")


def test_an_xid_error_shows_within_the_second(nvml: FakeDriver, exporter: Exporter) -> None:
    plain(exporter)
    nvml.xid(0, 79)
    wait_until(lambda: plain(exporter).get("trainwarden_gpu_xid_errors_total"), 5, "the XID error")


def test_the_receiver_is_told_what_is_so_now_and_not_what_another_was_told_before(
    nvml: FakeDriver, exporter: Exporter
) -> None:
    """A sign of death must be newer than the webhook: a busy card must not pass for idle, nor an idle one for busy."""
    write(runs_root(), spec("luca", gpus=[0]), state())
    for percent in (99, 0, 99, 0):
        plain(exporter)
        nvml.set(gpu=0, utilization=percent)
        seen = ReceiversEye(f"{exporter.url}/metrics").read("luca")
        assert seen is not None
        assert seen.gpus[uuid_of(0)].utilization_ratio == percent / 100
