"""The links to people: what Alertmanager tells whom, whether that arrives, and the dashboards."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainwarden.chain import routes
from trainwarden.chain.asking import AskError
from trainwarden.chain.metrics import Metrics
from trainwarden.config import NotifyConfig, absolute, secret_files
from trainwarden.doctor.acting import webhooks
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene

DATA_SOURCE = "trainwarden-prometheus"
"""As ``grafana/provisioning/datasources/trainwarden.yml`` calls it."""
_COUNTED = {"webhook": "webhook (those to the receiver included)"}
"""What Alertmanager counts together with what is meant."""
Integration = tuple[str, Mapping[str, Any]]
"""A kind (``slack``, ``email``, ``webhook`` …) and its settings."""


def people(scene: Scene) -> Finding:
    """Whether somebody is told, and whether it arrived so far."""
    configuration = scene.alertmanager_status.configuration
    notify, told = scene.config.notify, {kind for kind, _ in _told(configuration)}
    wanted = {"slack": notify.slack, "email": notify.email, "webhook": notify.webhook}
    if late := [kind for kind, settings in wanted.items() if settings and kind not in told]:
        return failed(
            f"notify.{late[0]} is set in trainwarden.yml, and Alertmanager does not know of it",
            "Have its configuration written anew: trainwarden down && trainwarden up --detach (or docker compose up)",
        )
    if scene.in_stack and (trouble := next(_unreadable(notify), None)):
        return failed(trouble, "Write the secret into that file, readable by the user that Alertmanager runs as.")
    if not told:
        return warning(
            "nobody is told: alerts stand on Alertmanager's page only",
            "Set notify.slack, notify.email or notify.webhook in trainwarden.yml (docs/notifications.md), and restart.",
        )
    return delivered(told | ({"webhook"} if notify.heartbeat_url_file else set()), scene.alertmanager.metrics())


def _told(configuration: Mapping[str, Any]) -> Iterator[Integration]:
    """What tells people of a critical alert or a warning: kinds with their settings."""
    for severity in ("critical", "warning"):
        labels = {"alertname": "TrainwardenAny", "severity": severity, "instance": "machine", "run": "run"}
        for destination in routes.destinations(configuration, labels):
            own = webhooks(configuration, destination.receiver)
            yield from (i for i in routes.integrations(configuration, destination.receiver) if i[1] not in own)


def _unreadable(notify: NotifyConfig) -> Iterator[str]:
    """A sentence for each file of a secret that is missing or empty."""
    for key, file in secret_files(notify).items():
        path = absolute(file)
        if trouble := _trouble(path):
            yield f"{key}: {path} {trouble}"


def _trouble(file: Path) -> str:
    """What is wrong with the file of a secret; empty where nothing is."""
    try:
        return "" if file.read_text().strip() else "is empty"
    except (OSError, UnicodeDecodeError) as error:
        return f"cannot be read: {getattr(error, 'strerror', None) or 'it is not text'}"


def delivered(kinds: set[str], counts: Metrics) -> Finding:
    """Whether what Alertmanager has sent by these kinds arrived, as far as it counts that."""
    parts = []
    for kind in sorted(kinds):
        sent = counts.total("alertmanager_notifications_total", integration=kind)
        lost = counts.total("alertmanager_notifications_failed_total", integration=kind)
        if lost and lost >= sent:
            return failed(
                f"{kind}: all {lost:.0f} messages since Alertmanager's start failed",
                f"Look at Alertmanager's log for the reason, and at the secret and address of notify.{kind}.",
            )
        parts.append(f"{_COUNTED.get(kind, kind)}: {sent:.0f} sent" + (f", {lost:.0f} of them failed" if lost else ""))
    if any("failed" in part for part in parts):
        return warning("; ".join(parts), "Look at Alertmanager's log for when and why.")
    return ok("; ".join(parts))


def grafana(scene: Scene) -> Finding:
    """Whether Grafana, where there is one, is up and reaches Prometheus."""
    try:
        health = scene.grafana.health()
    except AskError:
        if "grafana" in scene.addresses.named:
            raise
        return ok(f"none at {scene.grafana.service.shown} (it is optional; --grafana URL names another)")
    if health.database != "ok":
        return failed(f"its database is not well: {health.database}", "Look at its log, and at the space on its disk.")
    try:
        fault = scene.grafana.source_fault(DATA_SOURCE)
    except AskError as error:
        if error.status in (401, 403):
            return warning(
                f"{scene.grafana.service.shown}: up; its data source may be looked at after a login only",
                "Look at it in Grafana: Connections, Data sources, trainwarden, Test.",
            )
        raise
    if fault:
        return failed(
            f"its data source {DATA_SOURCE}: {fault}",
            "Put this version's grafana/provisioning in place, with Prometheus' address as Grafana reaches it.",
        )
    return ok(f"{scene.grafana.service.shown}: up, and reaches Prometheus")
