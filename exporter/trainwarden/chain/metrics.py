"""What a service says of itself on its metrics page, read by Prometheus' own parser."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from trainwarden import names
from trainwarden.chain.asking import SECONDS, AskError, Service
from trainwarden.names import Family


class Metrics:
    """One scrape of one service."""

    def __init__(self, samples: list[Sample]) -> None:
        self._samples = samples

    def find(self, family: Family | str, **labels: str) -> Iterator[Sample]:
        """The samples of a family (or of a sample's name) that have these labels."""
        name = family.name if isinstance(family, Family) else family
        return (s for s in self._samples if s.name == name and labels.items() <= s.labels.items())

    def value(self, family: Family | str, **labels: str) -> float | None:
        """The one value there; None where there is none."""
        return next((sample.value for sample in self.find(family, **labels)), None)

    def total(self, family: Family | str, **labels: str) -> float:
        """The sum of all values there; 0 where there is none."""
        return sum(sample.value for sample in self.find(family, **labels))


def parse(service: Service, text: str) -> Metrics:
    """Read an answer. Raises ``AskError`` for what are no metrics."""
    try:
        return Metrics([sample for family in text_string_to_metric_families(text) for sample in family.samples])
    except ValueError as error:
        raise service.stranger(f"no metrics: {error}") from None


class _Own:
    """One of our own two. ``url`` is the metrics page, ``…/metrics`` by default. Every method raises ``AskError``."""

    title: str
    mark: Family
    """What only this one says."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self.service = Service(self.title, url, seconds)
        base, _, _ = self.service.url.partition("://")[2].partition("/")
        self._base = Service(self.title, f"{self.service.url.partition('://')[0]}://{base}", seconds)

    def metrics(self) -> Metrics:
        """A scrape, taken now."""
        found = parse(self.service, self.service.text())
        if next(found.find(self.mark), None) is None:
            raise self.service.stranger(f"{self.mark.name} is not among its metrics")
        return found

    def not_ready(self) -> str:
        """Why it is not ready, in its own words; empty where it is."""
        try:
            self._base.text("/-/ready")
        except AskError as error:
            if error.status != 503:
                raise
            return error.said
        return ""


class Exporter(_Own):
    """The exporter."""

    title = "the exporter"
    mark = names.BUILD_INFO


class Receiver(_Own):
    """The receiver."""

    title = "the receiver"
    mark = names.ALERTS_RECEIVED

    def takes(self, token: str | None) -> bool:
        """Whether it takes webhooks with this bearer token (None: without one). Sends it a message of no alerts."""
        try:
            self._base.post("/alerts", {"version": "4", "alerts": []}, token)
        except AskError as error:
            if error.status != 401:
                raise
            return False
        return True
