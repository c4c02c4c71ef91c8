"""Alertmanager's API v2, as much of it as is asked here. The same in 0.25 and in 0.3x."""

from datetime import datetime
from typing import Any

import yaml
from msgspec import Struct, field

from trainwarden.chain import metrics
from trainwarden.chain.asking import SECONDS, Service
from trainwarden.chain.metrics import Metrics


class _Named(Struct, frozen=True):
    name: str


class AlertStatus(Struct, frozen=True, rename="camel"):
    """What Alertmanager does with an alert."""

    state: str
    """``active``, ``suppressed`` or ``unprocessed``."""
    silenced_by: list[str] = field(default_factory=list)
    inhibited_by: list[str] = field(default_factory=list)


class Alert(Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert that stands in Alertmanager."""

    labels: dict[str, str]
    status: AlertStatus
    fingerprint: str
    starts_at: datetime
    updated_at: datetime
    """When Prometheus sent it last."""
    ends_at: datetime
    """When it counts as over, if it is not sent again."""
    receivers: list[_Named] = field(default_factory=list)
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "")


class Status(Struct, frozen=True):
    """What Alertmanager says of itself."""

    version: str
    up_since: datetime
    configuration: dict[str, Any]
    """In force, in which Alertmanager itself has put ``<secret>`` for secrets; files of secrets are named."""


class _VersionInfo(Struct, frozen=True):
    version: str


class _Config(Struct, frozen=True):
    original: str


class _Status(Struct, frozen=True, rename="camel"):
    config: _Config
    version_info: _VersionInfo
    uptime: datetime


class Alertmanager:
    """The Alertmanager at ``url``, its base. Every method raises ``AskError``."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self.service = Service("Alertmanager", url, seconds)

    def status(self) -> Status:
        """Its version and the configuration in force."""
        said = self.service.json("/api/v2/status", _Status)
        loaded = yaml.safe_load(said.config.original)
        if not isinstance(loaded, dict):
            raise self.service.stranger("its configuration is not a mapping")
        return Status(said.version_info.version, said.uptime, loaded)

    def alerts(self, **labels: str) -> list[Alert]:
        """The alerts that stand and have these labels, silenced and inhibited ones too."""
        return [
            alert
            for alert in self.service.json("/api/v2/alerts", list[Alert])
            if labels.items() <= alert.labels.items()
        ]

    def receivers(self) -> list[str]:
        """Names of the receivers."""
        return [receiver.name for receiver in self.service.json("/api/v2/receivers", list[_Named])]

    def metrics(self) -> Metrics:
        """Its own readings: notifications sent and failed, among others."""
        return metrics.parse(self.service, self.service.text("/metrics"))
