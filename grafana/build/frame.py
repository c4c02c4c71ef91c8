"""What is the same on every dashboard: how it is found, what is chosen at its top, and what is marked in its charts."""

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model

from trainwarden import names

from . import queries as ask
from .panels import DATA_SOURCE, MARK, QUIET

PROVISIONED = model.VariableOption(text="trainwarden", value="trainwarden-prometheus")
"""The data source of ``grafana/provisioning``; Grafana takes its default one where that is not there."""


def frame(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard with its variables and annotations."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["trainwarden"])
        .readonly()
        .timezone("browser")
        .time("now-12h", "now")
        .refresh("30s")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(PROVISIONED)
        )
        .with_variable(_choice("instance", "Machine", names.RUN_INFO.name))
        .with_variable(_choice("run", "Run", ask.machine(names.RUN_INFO)))
        .annotation(_marks("Launches", ask.run(names.RUN_START), "Generation {{generation}} launched", MARK))
        .annotation(_marks("Checkpoints", ask.run(names.CHECKPOINT_LAST), "Checkpoint written", QUIET))
    )


def row(id_: int, title: str) -> dashboard.Row:
    """The heading of a section."""
    return dashboard.Row(title).id(id_)


def _choice(label: str, shown: str, series: str) -> dashboard.QueryVariable:
    query = f"label_values({series}, {label})"
    return (
        dashboard.QueryVariable(label)
        .label(shown)
        .datasource(DATA_SOURCE)
        .query({"query": query, "refId": f"choice-{label}"})
        .definition(query)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.NATURAL_ASC)
    )


def _marks(name: str, timestamps: str, title: str, color: str) -> dashboard.AnnotationQuery:
    """A mark wherever the series' value, a timestamp, says so: exact, however wide the samples lie apart."""
    return (
        dashboard.AnnotationQuery()
        .name(name)
        .datasource(DATA_SOURCE)
        .enable(True)
        .icon_color(color)
        .expr(ask.in_milliseconds(timestamps))
        .use_value_for_time(True)
        .title_format(title)
        .step("60s")
    )
