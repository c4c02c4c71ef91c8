"""What there is to ask for: every metric name with its labels, of whoever exports it."""

from functools import cache

from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import REPOSITORY
from tests.rules import shipped
from tests.rules.surroundings import UPSTREAM
from trainwarden import names
from trainwarden.names import Family

GOLDEN = REPOSITORY / "tests" / "golden" / "exporter.prom"
BY_SCRAPE = {"instance", "job"}

NameAndLabels = tuple[str, frozenset[str]]


@cache
def labels() -> dict[str, set[str]]:
    """The labels of every metric that the code, Prometheus or Alertmanager exports, and of every recording."""
    found: dict[str, set[str]] = {"up": set(), **{name: set(labels) for name, (_, labels) in UPSTREAM.items()}}
    for family in (*names.EXPORTER_FAMILIES, *names.RECEIVER_FAMILIES):
        found.update({name: set(family.labels) for name in _metric_names(family)})
    # A recording's level says by which labels it is told apart: run_kind:….
    levels = ((rule["record"], rule["record"].partition(":")[0]) for rule in shipped.recordings())
    return found | {recording: {"instance", *level.split("_")} for recording, level in levels}


def _metric_names(family: Family) -> list[str]:
    return [family.name + s for s in ("_sum", "_count", "_bucket")] if family.kind == "histogram" else [family.name]


@cache
def series() -> frozenset[NameAndLabels]:
    """Of the exporter those of its golden page, of the others those that their own tests hold them to."""
    golden = {
        (sample.name, frozenset(sample.labels))
        for family in text_string_to_metric_families(GOLDEN.read_text())
        for sample in family.samples
    }
    of_the_exporter = {name for family in names.EXPORTER_FAMILIES for name in _metric_names(family)}
    others = {(name, frozenset(found)) for name, found in labels().items() if name not in of_the_exporter}
    return frozenset(golden | others)


def name_and_labels(series: str) -> NameAndLabels:
    """Of a series as promtool writes it, without what the scrape adds."""
    name, _, inside = series.partition("{")
    return name, frozenset(label for label, _ in shipped.MATCHER.findall(inside)) - BY_SCRAPE
