"""What each link takes outside of a drill: read off the shipped rules and routes, and the configuration in force."""

from typing import Any

import yaml

from trainwarden import config as configuration
from trainwarden import units
from trainwarden.config import Config
from trainwarden.drill import scaling
from trainwarden.model import Limits
from trainwarden.stack import assets

TRAINER = "as long as your trainer takes to load and to take 20 steps"


class Earnest:
    """Durations as people read them."""

    def __init__(self, config: Config) -> None:
        shipped = assets.find()
        self.config = config
        self.limits = Limits()
        self._rules: list[dict[str, Any]] = [
            rule
            for file in sorted((shipped.prometheus / "rules").glob("*.yml"))
            for group in yaml.safe_load(file.read_text())["groups"]
            for rule in group["rules"]
            if "alert" in rule
        ]
        settings = yaml.safe_load((shipped.prometheus / "prometheus.yml").read_text())["global"]
        self.scrape = _people(settings["scrape_interval"])
        route = yaml.safe_load((shipped.alertmanager / "alertmanager.yml").read_text())["route"]
        self.group_wait = _people(route["group_wait"])
        restarts = next(child for child in route["routes"] if 'action="restart"' in child["matchers"])
        self.restart_wait = _people(restarts["group_wait"])

    def waits(self, alert: str, severity: str, key: str = "for") -> str:
        """A rule's ``for``, or its ``keep_firing_for``; ``at once`` where it has none."""
        found = next(rule for rule in self._rules if (rule["alert"], rule["labels"]["severity"]) == (alert, severity))
        return _people(found[key]) if key in found else "at once"

    def threshold(self, signal: str, level: str) -> float:
        """A threshold of this machine in force, in the signal's base unit."""
        table = {
            **configuration.run_thresholds(self.config, "balanced", {}, None),
            **configuration.machine_thresholds(self.config),
        }
        return table[signal, level].value

    def unsaved(self) -> str:
        """When a run counts as hung."""
        return f"{units.duration(self.threshold('checkpoint_age_seconds', 'hung'))} since the last checkpoint"


def _people(duration: str) -> str:
    return units.duration(scaling.seconds(duration))
