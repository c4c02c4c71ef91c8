"""What the links look at: the configuration, the addresses, and each service's answers, asked for once."""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from trainwarden import config as configuration
from trainwarden.chain.addresses import Addresses
from trainwarden.chain.alertmanager import Alertmanager, Status
from trainwarden.chain.grafana import Grafana
from trainwarden.chain.metrics import Exporter, Metrics, Receiver
from trainwarden.chain.prometheus import Prometheus, RuleGroup, Target
from trainwarden.config import Config
from trainwarden.doctor.finding import Finding, warning
from trainwarden.runs.folder import runs_root
from trainwarden.stack import assets, places
from trainwarden.stack.state import StackFolder

YOUNG_SECONDS = 120.0
"""So long after its start or a reload, Prometheus may not have scraped, evaluated and sent everything yet: what is sent
before it has found Alertmanager (5 s) is lost, and sent again a minute later."""
_BEGINNINGS = ("process_start_time_seconds", "prometheus_config_last_reload_success_timestamp_seconds")


class Scene:
    """One examination. What raises (``AskError``, ``ConfigurationError``) does so at the link that asks for it."""

    def __init__(
        self, config_file: Path | None, given: Mapping[str, str | None] | None = None, token_file: str | None = None
    ) -> None:
        """``given``: addresses by service, as the command line names them; None: not given."""
        self.config_file = config_file
        self.token_file = token_file
        """Where Alertmanager's token lies on this machine, if it is not where its configuration says."""
        self.runs = runs_root()
        self._given = given or {}

    @cached_property
    def config(self) -> Config:
        """The configuration in force. Raises ``ConfigurationError``."""
        return configuration.load(self.config_file)

    @cached_property
    def addresses(self) -> Addresses:
        """Where everything answers. Raises ``ConfigurationError`` and ``StackError``."""
        return places.find(self.config, self._given)

    @cached_property
    def in_stack(self) -> bool:
        """Whether ``trainwarden up`` holds these services: then their files are this machine's files."""
        running = places.running(StackFolder())
        return bool(running) and running.get("alertmanager") == self.addresses.alertmanager

    def log(self, service: str) -> Path:
        """Where a service of the stack writes what it says."""
        return StackFolder().log(service)

    @property
    def alertmanager_file(self) -> Path:
        """The stack's own alertmanager.yml, as ``trainwarden up`` wrote it."""
        return StackFolder().rendered / "alertmanager/alertmanager.yml"

    @cached_property
    def exporter(self) -> Exporter:
        """The exporter."""
        return Exporter(self.addresses.exporter)

    @cached_property
    def exported(self) -> Metrics:
        """A scrape of the exporter."""
        return self.exporter.metrics()

    @cached_property
    def receiver(self) -> Receiver:
        """The receiver."""
        return Receiver(self.addresses.receiver)

    @cached_property
    def prometheus(self) -> Prometheus:
        """Prometheus."""
        return Prometheus(self.addresses.prometheus)

    @cached_property
    def prometheus_metrics(self) -> Metrics:
        """Prometheus' readings of itself."""
        return self.prometheus.metrics()

    @cached_property
    def young(self) -> str:
        """How long ago Prometheus began or was reloaded, where that is a moment only; else empty."""
        age = self.age
        return f"Prometheus began or was reloaded {age:.0f} s ago" if age < YOUNG_SECONDS else ""

    @property
    def age(self) -> float:
        """Seconds since Prometheus began or was reloaded: nothing in it is older."""
        began = [self.prometheus_metrics.value(name) or 0.0 for name in _BEGINNINGS]
        return max(time.time() - max(began), 0.0)

    def bear_with(self, finding: Finding) -> Finding:
        """The same, or only a warning where Prometheus has just begun and what is missing may still come."""
        if not self.young:
            return finding
        return warning(f"{finding.found}; {self.young}", "Ask again in a minute.")

    @cached_property
    def targets(self) -> list[Target]:
        """What Prometheus scrapes."""
        return self.prometheus.targets()

    @cached_property
    def groups(self) -> list[RuleGroup]:
        """The rules that Prometheus has loaded."""
        return self.prometheus.rules()

    @cached_property
    def shipped_rules(self) -> list[dict[str, Any]]:
        """The rules that belong to this version. Raises ``StackError`` for a broken installation."""
        files = sorted((assets.find().prometheus / "rules").glob("*.yml"))
        loaded = [yaml.safe_load(file.read_text()) for file in files]
        return [
            {**rule, "file": file.name}
            for file, content in zip(files, loaded, strict=True)
            for group in content["groups"]
            for rule in group["rules"]
        ]

    @cached_property
    def alertmanager(self) -> Alertmanager:
        """Alertmanager."""
        return Alertmanager(self.addresses.alertmanager)

    @cached_property
    def alertmanager_status(self) -> Status:
        """What Alertmanager says of itself, its configuration included."""
        return self.alertmanager.status()

    @cached_property
    def grafana(self) -> Grafana:
        """Grafana."""
        return Grafana(self.addresses.grafana)
