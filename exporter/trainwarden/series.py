"""A metric family of ``names`` with its samples, as prometheus_client serves it: for the exporter and the receiver."""

from collections.abc import Iterable, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from trainwarden.names import Family

Samples = Iterable[tuple[Sequence[str], float | None]]
"""Label values, in the family's order, and the value."""

_KINDS = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


def build(family: Family, samples: Samples) -> Metric:
    """A gauge or counter with its values; a value that is None stays absent, for 0 would be a claim."""
    found: GaugeMetricFamily | CounterMetricFamily = _KINDS[family.kind](family.name, family.help, labels=family.labels)
    for labels, value in samples:
        if value is not None:
            found.add_metric(list(labels), float(value))
    return found
