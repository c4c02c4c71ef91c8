"""The few kinds of panel that the dashboards are made of, each with one look.

A panel is described by what a reader sees (:class:`Face`) and by what it asks (:class:`Query`). Colours are fixed by
meaning and never by a number: where a value has to turn red, two queries split it at the threshold series.
"""

from typing import NamedTuple, TypeAlias, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as formats

DATA_SOURCE = looks.DataSourceRef(type_val="prometheus", uid="${datasource}")

GOOD = "green"
PLAIN = "blue"
NOTE = "yellow"
WARNING = "orange"
DANGER = "red"
QUIET = "#8e9aab"
NOTHING = "transparent"
MARK = "rgb(0, 211, 255)"

Panel: TypeAlias = bargauge.Panel | stat.Panel | statetimeline.Panel | table.Panel | timeseries.Panel
Builder = TypeVar("Builder", bargauge.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)


class Face(NamedTuple):
    """What a reader sees of a panel."""

    id: int
    """For ever: links to single panels carry it."""
    title: str
    description: str
    """One sentence: what is shown, and what the guide wants of it."""
    unit: str
    empty: str
    """What stands there when there is no data."""
    width: int
    height: int


class Query(NamedTuple):
    """One question, and how its answer is drawn."""

    expression: str
    legend: str = ""
    color: str | None = None
    limit: bool = False
    """A threshold: dashed, thin, never filled."""


class Shown(NamedTuple):
    """How one value is written."""

    text: str
    color: str


def limit(expression: str, legend: str, color: str) -> Query:
    """A threshold's line."""
    return Query(expression, legend, color, limit=True)


def lines(face: Face, *queries: Query, lowest: float | None = None, highest: float | None = None) -> timeseries.Panel:
    """Values over time, with the thresholds in force as dashed lines."""
    panel = (
        _face(timeseries.Panel(), face, queries)
        .line_width(2)
        .fill_opacity(8)
        .show_points(looks.VisibilityMode.NEVER)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend())
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
    )
    if lowest is not None:
        panel.min(lowest)
    if highest is not None:
        panel.max(highest)
    return panel


def value(face: Face, *queries: Query, decimals: float | None = None) -> stat.Panel:
    """The value now as a large number; with several queries, each under its name."""
    panel = _stat(face, queries, looks.BigValueTextMode.AUTO)
    return panel if decimals is None else panel.decimals(decimals)


def word(face: Face, *queries: Query) -> stat.Panel:
    """The name of what holds now: a legend, or a label's value.

    Grafana writes no empty text in such a panel, so that is one more answer.
    """
    nothing = f"vector(1) unless on() ({' or '.join(query.expression for query in queries)})"
    return _stat(face, (*queries, Query(nothing, face.empty, QUIET)), looks.BigValueTextMode.NAME)


def phrase(face: Face, *queries: Query, decimals: float | None = None) -> stat.Panel:
    """The value now and, above it, what it means: of several queries one answers."""
    panel = _stat(face, queries, looks.BigValueTextMode.VALUE_AND_NAME).wide_layout(False)
    return panel if decimals is None else panel.decimals(decimals)


def state(face: Face, query: Query, shown: dict[int, Shown]) -> stat.Panel:
    """A numbered state, written as a word on its colour."""
    return _stat(face, (query,), looks.BigValueTextMode.VALUE).mappings(_mappings(shown))


def bars(face: Face, query: Query, whole: float | None = None) -> bargauge.Panel:
    """The query's series now as horizontal bars; a single share of the ``whole`` needs no name beside it."""
    panel = (
        _face(bargauge.Panel(), face, (query,), instant=True)
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .value_mode(looks.BarGaugeValueMode.TEXT)
        .reduce_options(_newest())
        .text(common.VizTextDisplayOptions().value_size(22))
        .min(0)
        .color_scheme(_fixed(PLAIN))
    )
    if whole is None:
        panel.sizing(looks.BarGaugeSizing.MANUAL).min_viz_height(24).max_viz_height(32)
        return panel.name_placement(looks.BarGaugeNamePlacement.LEFT)
    return panel.name_placement(looks.BarGaugeNamePlacement.HIDDEN).max(whole).decimals(1)


def timeline(face: Face, *queries: Query, shown: dict[int, Shown]) -> statetimeline.Panel:
    """Numbered states over time, one row a query's series."""
    return (
        _face(statetimeline.Panel(), face, queries)
        .mappings(_mappings(shown))
        .row_height(0.8)
        .fill_opacity(85)
        .line_width(0)
        .show_value(looks.VisibilityMode.AUTO)
        .legend(common.VizLegendOptions().show_legend(False).display_mode(looks.LegendDisplayMode.HIDDEN))
    )


def rows(face: Face, query: Query, columns: dict[str, str], shown: dict[str, Shown]) -> table.Panel:
    """A table of one query's series now: ``columns`` in order, label to heading; ``shown`` colours cells by text."""
    names = {"excludeByName": {"Time": True}, "renameByName": columns}
    order = {"indexByName": {name: place for place, name in enumerate(columns)}}
    return (
        _face(table.Panel(), face, (query,), instant=True, as_table=True)
        .with_transformation(model.DataTransformerConfig(id_val="organize", options={**names, **order}))
        .mappings([_mapping(shown)])
        .cell_options(looks.TableColorTextCellOptions())
        .color_scheme(_fixed("text"))
        .cell_height(looks.TableCellHeight.SM)
    )


def _stat(face: Face, queries: tuple[Query, ...], text: looks.BigValueTextMode) -> stat.Panel:
    """Asked for now only: a value of an hour ago must not stand there as if it held."""
    return (
        _face(stat.Panel(), face, queries, instant=True)
        .text_mode(text)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .color_mode(looks.BigValueColorMode.VALUE)
        .justify_mode(looks.BigValueJustifyMode.CENTER)
        .color_scheme(_fixed(PLAIN))
        .reduce_options(_newest())
    )


def _face(
    panel: Builder, face: Face, queries: tuple[Query, ...], *, instant: bool = False, as_table: bool = False
) -> Builder:
    panel.id(face.id).title(face.title).description(face.description).datasource(DATA_SOURCE)
    panel.unit(face.unit).no_value(face.empty).span(face.width).height(face.height)
    for place, query in enumerate(queries):
        reference = chr(ord("A") + place)
        panel.with_target(_target(query, reference, instant=instant, as_table=as_table))
        if query.color is not None:
            panel.override_by_query(reference, _drawn(query))
    return panel


def _target(query: Query, reference: str, *, instant: bool, as_table: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().ref_id(reference).expr(query.expression).legend_format(query.legend)
    target.datasource(DATA_SOURCE).editor_mode(formats.QueryEditorMode.CODE)
    if as_table:
        target.format(formats.PromQueryFormat.TABLE)
    return target.instant() if instant else target.range()


def _drawn(query: Query) -> list[model.DynamicConfigValue]:
    drawn: list[tuple[str, object]] = [("color", {"mode": "fixed", "fixedColor": query.color})]
    if query.limit:
        dashes = {"fill": "dash", "dash": [8, 6]}
        drawn += [("custom.lineStyle", dashes), ("custom.lineWidth", 1), ("custom.fillOpacity", 0)]
    return [model.DynamicConfigValue(id_val=key, value=setting) for key, setting in drawn]


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(looks.LegendDisplayMode.LIST)
    return legend.placement(looks.LegendPlacement.BOTTOM)


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _fixed(color: str) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(color)


def _mappings(shown: dict[int, Shown]) -> list[model.ValueMapping]:
    return [_mapping({str(number): look for number, look in shown.items()})]


def _mapping(shown: dict[str, Shown]) -> model.ValueMapping:
    results = (
        model.ValueMappingResult(text=look.text, color=look.color, index=i) for i, look in enumerate(shown.values())
    )
    return model.ValueMap(options=dict(zip(shown, results, strict=True)))
