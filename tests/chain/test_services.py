"""The clients, on the real services of a stack that is up."""

import math
import socket
import time

import pytest

from tests.support.home import Home
from tests.support.wait import wait_until
from trainwarden import names
from trainwarden.chain.addresses import Addresses
from trainwarden.chain.alertmanager import Alertmanager
from trainwarden.chain.asking import AskError
from trainwarden.chain.metrics import Exporter, Receiver
from trainwarden.chain.prometheus import Prometheus
from trainwarden.config import Config
from trainwarden.stack import places

OURS = {"trainwarden", "trainwarden-receiver"}
"""Jobs that are always scraped."""


@pytest.fixture
def addresses(stack: Home) -> Addresses:
    return places.find(Config(), {}, stack.stack)


@pytest.fixture
def prometheus(addresses: Addresses) -> Prometheus:
    return Prometheus(addresses.prometheus)


@pytest.fixture
def alertmanager(addresses: Addresses) -> Alertmanager:
    return Alertmanager(addresses.alertmanager)


def test_the_stack_that_is_up_says_where_it_answers(stack: Home, addresses: Addresses) -> None:
    at = {name: f"http://127.0.0.1:{port}" for name, port in stack.ports.items()}
    assert addresses.exporter == at["exporter"] + "/metrics"
    assert addresses.prometheus == at["prometheus"] + "/"
    assert addresses.named == stack.ports.keys()


def test_prometheus_tells_targets_with_their_age(prometheus: Prometheus) -> None:
    def found() -> bool:
        targets = prometheus.targets()
        return {t.job for t in targets} >= OURS and all(t.health == "up" for t in targets)

    wait_until(found, 40, "every target was scraped")
    targets = {target.job: target for target in prometheus.targets()}
    assert {targets[job].labels["instance"] for job in OURS} == {socket.gethostname()}
    assert all(-1 < target.age(time.time()) < 60 for target in targets.values())


def test_prometheus_answers_a_query_now_and_at_a_time(prometheus: Prometheus) -> None:
    (one,) = prometheus.query("vector(42)")
    assert (one.labels, one.value) == ({}, 42)
    (then,) = prometheus.query("vector(time())", at=1234.5)
    assert then.value == then.at == 1234.5
    (none,) = prometheus.query("vector(NaN)")
    assert math.isnan(none.value)


def test_a_query_that_is_none_is_answered_in_prometheus_words(prometheus: Prometheus) -> None:
    with pytest.raises(AskError, match=r"Prometheus answers 400 at [^ ]*/api/v1/query: .*parse error"):
        prometheus.query("sum(")
    with pytest.raises(AskError, match="the query 1 gives a scalar; ask for an instant vector"):
        prometheus.query("1")


def test_prometheus_tells_rules_alerts_and_where_it_sends_them(prometheus: Prometheus, stack: Home) -> None:
    def fires() -> bool:
        return any(alert.name == "TrainwardenWatchdog" and alert.state == "firing" for alert in prometheus.alerts())

    wait_until(fires, 40, "the watchdog fires")
    group = next(group for group in prometheus.rules() if group.name == "trainwarden-watch")
    assert group.file.endswith("rules/watch.yml")
    rule = next(rule for rule in group.rules if rule.name == "TrainwardenWatchdog")
    assert (rule.type, rule.query, rule.health, rule.state) == ("alerting", "vector(1)", "ok", "firing")
    (sent_to,) = wait_until(prometheus.alertmanagers, 20, "Alertmanager is found")
    assert f":{stack.ports['alertmanager']}/" in sent_to


def test_prometheus_tells_its_version_and_configuration(prometheus: Prometheus) -> None:
    assert prometheus.version()[0].isdecimal()
    jobs = [job["job_name"] for job in prometheus.configuration()["scrape_configs"]]
    assert set(jobs) >= OURS


def test_alertmanager_tells_what_reached_it(alertmanager: Alertmanager) -> None:
    # What Prometheus sends before it has found Alertmanager is lost, and sent again after a minute.
    (watchdog,) = wait_until(lambda: alertmanager.alerts(alertname="TrainwardenWatchdog"), 120, "the watchdog is there")
    assert (watchdog.name, watchdog.status.state) == ("TrainwardenWatchdog", "active")
    assert abs(time.time() - watchdog.updated_at.timestamp()) < 120
    assert [receiver.name for receiver in watchdog.receivers] == ["heartbeat"]


def test_alertmanager_tells_its_configuration_and_counts_what_it_sent(alertmanager: Alertmanager) -> None:
    status = alertmanager.status()
    assert status.version[0].isdecimal()
    assert status.configuration["route"]["receiver"] == "null"
    assert set(alertmanager.receivers()) >= {"null", "trainwarden", "notify"}
    failed = alertmanager.metrics().find("alertmanager_notifications_failed_total", integration="webhook")
    assert next(failed).value == 0


def test_our_own_two_tell_their_metrics_and_whether_they_are_ready(addresses: Addresses) -> None:
    exporter, receiver = Exporter(addresses.exporter), Receiver(addresses.receiver)
    assert exporter.metrics().value(names.COLLECTOR_SUCCESS, collector="host") == 1
    assert receiver.metrics().total(names.ALERTS_RECEIVED) >= 0
    assert (exporter.not_ready(), receiver.not_ready()) == ("", "")
