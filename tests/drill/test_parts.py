"""The parts of a drill by themselves: what is scaled, what is simulated, what is said of the time in earnest."""

import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.rules.shipped import alerts
from trainwarden import config as configuration
from trainwarden.cli.trust import _FAULTS
from trainwarden.collectors.checkpoints import disk_of
from trainwarden.config import Config
from trainwarden.drill import faults, people, scaling
from trainwarden.drill.earnest import Earnest
from trainwarden.drill.faults import FAULTS
from trainwarden.drill.simulated import NAME, Readings, SimulatedGpus, Simulation, disk_reader, host_reader
from trainwarden.guide import GIB
from trainwarden.model import Limits
from trainwarden.restart.states import GiveUpReason
from trainwarden.stack.render import render

ADDRESSES = {
    name: f"127.0.0.1:{port}" for port, name in enumerate(("exporter", "receiver", "prometheus", "alertmanager"), 1)
}


def test_the_command_line_names_every_fault() -> None:
    assert tuple(FAULTS) == _FAULTS


def test_every_alert_of_a_drill_is_a_shipped_one_and_a_full_disk_is_given_up() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in alerts()}
    named = set(re.findall(r"\bTrainwarden[A-Z]\w+", inspect.getsource(faults)))
    assert named
    assert named - set(expressions) == set()
    assert GiveUpReason.DISK_FULL.value in expressions["TrainwardenRestartGaveUp"]


def test_the_whole_rendered_stack_is_scaled(tmp_path: Path) -> None:
    render(Config(), tmp_path, addresses=ADDRESSES, token_file="token")
    scaling.stack(tmp_path, 60)
    prometheus = yaml.safe_load((tmp_path / "prometheus/prometheus.yml").read_text())["global"]
    assert prometheus == {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    route = yaml.safe_load((tmp_path / "alertmanager/alertmanager.yml").read_text())["route"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("1s", "5s", "720s")
    assert {child["repeat_interval"] for child in route["routes"] if "action" in str(child["matchers"])} == {"30s"}


def test_in_earnest_nothing_is_scaled() -> None:
    assert scaling.limits(1) == Limits()
    assert scaling.thresholds(Config(), 1)["checkpoint_age_seconds"]["hung"] == 1800


def test_a_threshold_of_the_users_own_is_what_is_scaled() -> None:
    config = configuration.parse({"thresholds": {"checkpoint_age_seconds": {"hung": 3600}}}, "x")
    assert scaling.thresholds(config, 60)["checkpoint_age_seconds"]["hung"] == 60
    assert Earnest(config).unsaved() == "1 h since the last checkpoint"


def test_a_limit_is_not_scaled_below_what_processes_need() -> None:
    limits = scaling.limits(60)
    assert (limits.kill_grace, limits.pause_after_stop, limits.start_timeout) == (10, 1, 60)


def test_the_simulated_card_says_that_it_is_none(tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    Simulation(path).write(Readings(busy=True, held=True, temperature_celsius=90))
    (card,) = SimulatedGpus(path).read().gpus
    assert (card.name, card.utilization_ratio, card.temperature_celsius) == (NAME, 0.99, 90)
    assert card.memory_used_bytes == int(15.5 * GIB)


def test_only_the_ram_in_use_is_simulated_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    simulation = Simulation(path)
    simulation.write(Readings())
    real = host_reader(path)()
    simulation.write(Readings(memory_used_ratio=0.9))
    found = host_reader(path)()
    assert found.memory_total == real.memory_total
    assert 1 - found.memory_available / found.memory_total == pytest.approx(0.9)


def test_only_the_room_on_the_disk_is_simulated_of_the_file_system(tmp_path: Path) -> None:
    path = tmp_path / "readings.json"
    simulation = Simulation(path)
    simulation.write(Readings(disk_available_bytes=7))
    found = disk_reader(path)(tmp_path / "not-made-yet")
    assert found.available_bytes == 7
    assert found.size_bytes == disk_of(tmp_path).size_bytes
    simulation.write(Readings())
    assert disk_reader(path)(tmp_path).available_bytes > 7


LOGS = {
    "0.25": """\
ts=2026-01-09T22:30:01.039Z caller=notify.go:732 level=warn component=dispatcher receiver=notify integration=email[0] \
msg="Notify attempt failed, will retry later" attempts=1 err="dial tcp: lookup \\"mail\\": no such host"
ts=2026-01-09T22:30:01.046Z caller=notify.go:743 level=debug component=dispatcher receiver=notify integration=slack[0] \
msg="Notify success" attempts=1
ts=2026-01-09T22:30:01.046Z caller=notify.go:743 level=debug component=dispatcher receiver=trainwarden \
integration=webhook[0] msg="Notify success" attempts=1
ts=2026-01-09T22:30:02.046Z caller=notify.go:743 level=info component=dispatcher receiver=notify-once \
integration=slack[0] msg="Notify success" attempts=2
ts=2026-01-09T22:30:03.046Z caller=dispatch.go:352 level=error component=dispatcher msg="Notify for alerts failed" \
num_alerts=1 err="notify/webhook[0]: notify retry canceled due to unrecoverable error: unexpected status code 403"
""",
    "0.28": """\
time=2026-01-09T22:30:01.039Z level=WARN source=notify.go:866 msg="Notify attempt failed, will retry later" \
component=dispatcher receiver=notify integration=email[0] aggrGroup="{}:{}" attempts=1 \
err="dial tcp: lookup \\"mail\\": no such host"
time=2026-01-09T22:30:01.046Z level=DEBUG source=notify.go:876 msg="Notify success" component=dispatcher \
receiver=notify integration=slack[0] aggrGroup="{}:{}" attempts=1 duration=3ms
time=2026-01-09T22:30:01.046Z level=DEBUG source=notify.go:876 msg="Notify success" component=dispatcher \
receiver=trainwarden integration=webhook[0] aggrGroup="{}:{}" attempts=1 duration=3ms
time=2026-01-09T22:30:02.046Z level=INFO source=notify.go:876 msg="Notify success" component=dispatcher \
receiver=notify-once integration=slack[0] aggrGroup="{}:{}" attempts=2 duration=3ms
time=2026-01-09T22:30:03.046Z level=ERROR source=dispatch.go:360 msg="Notify for alerts failed" component=dispatcher \
num_alerts=1 err="notify/webhook[0]: notify retry canceled due to unrecoverable error: unexpected status code 403"
""",
}


@pytest.mark.parametrize("version", LOGS)
def test_alertmanagers_log_says_who_took_a_message_and_why_another_did_not(version: str, tmp_path: Path) -> None:
    log = tmp_path / "alertmanager.log"
    assert people.taken(log) == Counter()
    log.write_text(LOGS[version])
    assert people.taken(log) == {"slack": 2}
    assert people.refused(log, "slack") == ""
    assert people.refused(log, "email") == 'dial tcp: lookup "mail": no such host'
    assert people.refused(log, "webhook").endswith("unexpected status code 403")


def test_the_ways_to_people_name_no_address_that_may_be_a_secret() -> None:
    webhook = {"url": "https://me:secret@hooks.example.org/services/secret?token=secret"}
    slack = {"api_url_file": "~/secret", "channel": "#training"}
    config = configuration.parse({"notify": {"webhook": webhook, "slack": slack}}, "x")
    assert people.ways(config.notify) == {"slack": "Slack (#training)", "webhook": "webhook (hooks.example.org)"}
