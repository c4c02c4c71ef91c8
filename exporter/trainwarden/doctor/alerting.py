"""The links between Prometheus and Alertmanager: the rules, their evaluation, and an alert that arrives."""

import re
import time
from typing import Any

from trainwarden import units
from trainwarden.chain.prometheus import Prometheus, Rule
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene

WATCHDOG = "TrainwardenWatchdog"
LATE_INTERVALS = 3
LATE_SECONDS = 30.0
"""A group that was not evaluated for so many of its intervals, and for so long, is late."""
ARRIVAL_SECONDS = 300.0
"""Prometheus sends a standing alert anew every minute or so (--rules.alert.resend-delay); Alertmanager forgets it after
four evaluation intervals or more."""


def rules(scene: Scene) -> Finding:
    """Whether every rule of this version is loaded, and loaded as it is shipped."""
    if scene.prometheus_metrics.value("prometheus_config_last_reload_successful") == 0:
        return failed(
            "Prometheus refused its configuration or rules at the last reload, and goes by the old ones",
            "See what is wrong, mend it and reload: promtool check config prometheus.yml",
        )
    loaded = {_key(rule): rule for group in scene.groups for rule in group.rules}
    shipped = {_shipped_key(rule): rule for rule in scene.shipped_rules}
    if missing := sorted(shipped.keys() - loaded.keys()):
        files = ", ".join(sorted({shipped[key]["file"] for key in missing}))
        return failed(
            f"{len(missing)} of {len(shipped)} rules are not loaded, {missing[0][0]} among them",
            f"Put this version's {files} into the folder rules/ beside prometheus.yml, and reload Prometheus.",
        )
    changed = sorted(key[0] for key in shipped if differs(scene.prometheus, shipped[key], loaded[key]))
    if changed:
        return warning(
            f"not as this version ships them: {', '.join(dict.fromkeys(changed))}",
            "If that is not on purpose: put this version's rules/ beside prometheus.yml, and reload Prometheus.",
        )
    return ok(f"all {len(shipped)} of this version")


def differs(prometheus: Prometheus, shipped: dict[str, Any], loaded: Rule) -> bool:
    """Whether a loaded rule means something else than the shipped one: its expression, its time or its labels."""
    if {**(shipped.get("labels") or {})} != loaded.labels or _seconds(shipped.get("for", "0s")) != loaded.duration:
        return True
    return prometheus.formatted(shipped["expr"]) != prometheus.formatted(loaded.query)


def evaluation(scene: Scene) -> Finding:
    """Whether every group is evaluated without an error, and in time."""
    ours = [group for group in scene.groups if any(_is_ours(rule) for rule in group.rules)]
    broken = [rule for group in ours for rule in group.rules if rule.health == "err"]
    if broken:
        return failed(
            f"{broken[0].name} cannot be evaluated: {broken[0].last_error}",
            "Exporter and rules must be of one version, and each machine be scraped once: look at targets/.",
        )
    slow = [group for group in ours if group.evaluation_time > group.interval]
    if slow:
        took = f"{units.duration(slow[0].evaluation_time)} of {units.duration(slow[0].interval)}"
        return failed(f"{slow[0].name} takes {took}", "Give Prometheus more CPU, or split the machines over two.")
    now, age = time.time(), scene.age
    late = [group for group in ours if min(group.evaluated_ago(now), age) > _patience(group.interval)]
    if late:
        stands = failed(f"{late[0].name} was not evaluated lately", "Look at Prometheus' log, and restart it.")
        return scene.bear_with(stands)
    slowest = max((group.evaluation_time for group in ours), default=0.0)
    return ok(f"{len(ours)} groups, the slowest in {slowest * 1000:.0f} ms")


def _patience(interval: float) -> float:
    """How long a group may take to be evaluated (again), seconds."""
    return max(LATE_INTERVALS * interval, LATE_SECONDS)


def watchdog(scene: Scene) -> Finding:
    """Whether the alert that always stands does."""
    if any(alert.name == WATCHDOG and alert.state == "firing" for alert in scene.prometheus.alerts()):
        return ok(f"{WATCHDOG} fires")
    silent = failed(f"{WATCHDOG} does not fire", "Look at its rule on Prometheus' page of rules; watch.yml has it.")
    return scene.bear_with(silent)


def alertmanager(scene: Scene) -> Finding:
    """Whether Alertmanager answers."""
    return ok(f"{scene.alertmanager.service.shown}: version {scene.alertmanager_status.version}")


def sending(scene: Scene) -> Finding:
    """Whether Prometheus knows an Alertmanager to send to."""
    active = scene.prometheus.alertmanagers()
    if active:
        return ok(f"to {', '.join(url.removesuffix('/api/v2/alerts') for url in active)}")
    unknown = failed(
        "Prometheus knows no Alertmanager, so no alert leaves it",
        "Name its address in targets/alertmanager.yml beside prometheus.yml, which must name that file under alerting.",
    )
    return scene.bear_with(unknown)


def arrival(scene: Scene) -> Finding:
    """Whether the watchdog, and so every alert, arrives in Alertmanager."""
    arrived = scene.alertmanager.alerts(alertname=WATCHDOG)
    age = min((time.time() - alert.updated_at.timestamp() for alert in arrived), default=None)
    if age is not None and age <= ARRIVAL_SECONDS:
        return ok(f"{WATCHDOG} came {max(age, 0):.0f} s ago")
    since = f"came last {units.duration(age)} ago" if age is not None else "has not come"
    sent_to = [url.removesuffix("/api/v2/alerts") for url in scene.prometheus.alertmanagers()]
    lost = failed(
        f"{WATCHDOG} {since}" + (f", though Prometheus sends to {', '.join(sent_to)}" if sent_to else " yet"),
        "Write the address at which Prometheus reaches this Alertmanager into targets/alertmanager.yml.",
    )
    return scene.bear_with(lost)


def _key(rule: Rule) -> tuple[str, str]:
    return rule.name, rule.labels.get("severity", "")


def _shipped_key(rule: dict[str, Any]) -> tuple[str, str]:
    return rule.get("alert") or rule["record"], (rule.get("labels") or {}).get("severity", "")


def _is_ours(rule: Rule) -> bool:
    return rule.name.startswith("Trainwarden") or ":trainwarden_" in rule.name


def _seconds(text: str) -> float:
    """Prometheus' way to write a duration."""
    factors = {"d": 86400, "h": 3600, "m": 60, "s": 1}
    return float(sum(int(count) * factors[unit] for count, unit in re.findall(r"(\d+)([dhms])", str(text))))
