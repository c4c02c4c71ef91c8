"""Prometheus' HTTP API, as much of it as is asked here. The same in 2.42 and in 3.x."""

import math
from datetime import datetime, timezone
from typing import Any, Generic, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct, field

from trainwarden.chain import metrics
from trainwarden.chain.asking import SECONDS, AskError, Service
from trainwarden.chain.metrics import Metrics

T = TypeVar("T")

_NEVER = datetime.min.replace(tzinfo=timezone.utc)
"""What Prometheus says where something has not happened yet."""


class Sample(Struct, frozen=True):
    """One series of an instant query."""

    labels: dict[str, str]
    value: float
    at: float
    """Seconds since the epoch, by Prometheus' clock."""


class Target(Struct, frozen=True, kw_only=True, rename="camel"):
    """One target that is scraped."""

    labels: dict[str, str]
    """As its series carry them: ``job``, ``instance`` and what else the scrape configuration sets."""
    scrape_url: str
    health: Literal["up", "down", "unknown"]
    """``unknown``: not scraped yet."""
    last_error: str
    last_scrape: datetime
    """The year 1 where it was not scraped yet."""

    @property
    def job(self) -> str:
        """The scrape job's name."""
        return self.labels.get("job", "")

    def age(self, now: float) -> float:
        """Seconds since the last scrape; infinite before the first."""
        return _ago(self.last_scrape, now)


class Alert(Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert that stands in Prometheus."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: Literal["pending", "firing"]
    active_at: datetime | None = None

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "")


class Rule(Struct, frozen=True, kw_only=True, rename="camel"):
    """One rule that is loaded. ``query`` is its expression as Prometheus writes it, which is not as the file does."""

    name: str
    type: Literal["alerting", "recording"]
    query: str
    health: str
    """``ok``, ``err`` or ``unknown`` (not evaluated yet)."""
    last_error: str = ""
    duration: float = 0.0
    """``for``, in seconds."""
    keep_firing_for: float = 0.0
    """Seconds. Absent before Prometheus 2.44, which holds it nevertheless."""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    state: str = ""
    alerts: list[Alert] = field(default_factory=list)


class RuleGroup(Struct, frozen=True, kw_only=True, rename="camel"):
    """One group of rules, evaluated every ``interval`` seconds."""

    name: str
    file: str
    interval: float
    rules: list[Rule]
    evaluation_time: float = 0.0
    """Seconds that the last evaluation took."""
    last_evaluation: datetime = _NEVER

    def evaluated_ago(self, now: float) -> float:
        """Seconds since the last evaluation; infinite before the first."""
        return _ago(self.last_evaluation, now)


class _Answer(Struct, Generic[T], frozen=True):
    data: T


class _Vector(Struct, frozen=True):
    result: list[Any]
    kind: str = field(name="resultType")


class _Row(Struct, frozen=True):
    metric: dict[str, str]
    value: tuple[float, str]


class _Targets(Struct, frozen=True):
    active: list[Target] = field(name="activeTargets")


class _Groups(Struct, frozen=True):
    groups: list[RuleGroup]


class _Alerts(Struct, frozen=True):
    alerts: list[Alert]


class _Place(Struct, frozen=True):
    url: str


class _Alertmanagers(Struct, frozen=True):
    active: list[_Place] = field(name="activeAlertmanagers")


class _Configuration(Struct, frozen=True):
    yaml: str


class _Version(Struct, frozen=True):
    version: str


def _ago(then: datetime, now: float) -> float:
    return math.inf if then.year == 1 else now - then.timestamp()


class Prometheus:
    """The Prometheus at ``url``, its base. Every method raises ``AskError``."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self.service = Service("Prometheus", url, seconds)

    def version(self) -> str:
        """As in ``3.14.0``."""
        return self.service.json("/api/v1/status/buildinfo", _Answer[_Version]).data.version

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """The instant vector of a PromQL expression, now or at a time in seconds since the epoch."""
        when = {} if at is None else {"time": repr(at)}
        found = self.service.json("/api/v1/query", _Answer[_Vector], query=expression, **when).data
        if found.kind != "vector":
            raise AskError(f"the query {expression} gives a {found.kind}; ask for an instant vector")
        rows = msgspec.convert(found.result, list[_Row])
        return [Sample(row.metric, float(row.value[1]), row.value[0]) for row in rows]

    def formatted(self, expression: str) -> str:
        """A PromQL expression as Prometheus itself lays it out: the same for all ways to write it."""
        return self.service.json("/api/v1/format_query", _Answer[str], query=expression).data

    def targets(self) -> list[Target]:
        """Everything that is scraped."""
        return self.service.json("/api/v1/targets", _Answer[_Targets], state="active").data.active

    def rules(self) -> list[RuleGroup]:
        """Every group that is loaded."""
        return self.service.json("/api/v1/rules", _Answer[_Groups]).data.groups

    def alerts(self) -> list[Alert]:
        """Every alert that is pending or fires."""
        return self.service.json("/api/v1/alerts", _Answer[_Alerts]).data.alerts

    def alertmanagers(self) -> list[str]:
        """Where alerts are sent: URLs of Alertmanagers' APIs."""
        return [place.url for place in self.service.json("/api/v1/alertmanagers", _Answer[_Alertmanagers]).data.active]

    def configuration(self) -> dict[str, Any]:
        """The configuration in force, in which Prometheus itself has put ``<secret>`` for secrets."""
        text = self.service.json("/api/v1/status/config", _Answer[_Configuration]).data.yaml
        loaded = yaml.safe_load(text)
        if not isinstance(loaded, dict):
            raise self.service.stranger("its configuration is not a mapping")
        return loaded

    def metrics(self) -> Metrics:
        """Its own readings: since when it is up, and whether it took its configuration, among others."""
        return metrics.parse(self.service, self.service.text("/metrics"))
