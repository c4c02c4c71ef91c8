"""What is written is what Prometheus' own parsers read back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from trainwarden import textformat
from trainwarden.names import Family
from trainwarden.series import Buckets, Series, build

GAUGE = Family("tw_temperature_celsius", "gauge", 'Help with a \\ and a "quote".', ("gpu", "name"))
COUNTER = Family("tw_steps_total", "counter", "Steps.", ("run",))
HISTOGRAM = Family("tw_step_seconds", "histogram", "Durations.", ("run",))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


def _same(read: float, written: float) -> bool:
    return read == written or (math.isnan(read) and math.isnan(written))


@given(st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), max_size=5, unique_by=lambda row: row[:2]))
def test_labels_and_values_come_back_in_both_formats(rows: list[tuple[str, str, float]]) -> None:
    series = [build(GAUGE, (((a, b), value) for a, b, value in rows))]
    for kind, read in ((textformat.TEXT, read_text), (textformat.OPENMETRICS, read_openmetrics)):
        [family] = read(textformat.write(series, kind).decode())
        found = [(s.labels["gpu"], s.labels["name"], s.value) for s in family.samples]
        assert [row[:2] for row in found] == [row[:2] for row in rows]
        assert all(_same(row[2], wanted[2]) for row, wanted in zip(found, rows, strict=True))
    assert family.documentation == GAUGE.help


def test_what_has_changed_since_it_was_last_written_is_written_anew() -> None:
    for value in (1.0, 1.0, 2.0, float("nan"), float("nan"), 1.0):
        text = textformat.write([build(COUNTER, [(("luca",), value)])]).decode()
        assert text.endswith(f'tw_steps_total{{run="luca"}} {"NaN" if math.isnan(value) else value}\n')


def test_a_counter_keeps_its_suffix_on_the_sample_only_in_openmetrics() -> None:
    series = [build(COUNTER, [(("luca",), 3)])]
    assert textformat.write(series).decode() == (
        '# HELP tw_steps_total Steps.\n# TYPE tw_steps_total counter\ntw_steps_total{run="luca"} 3.0\n'
    )
    assert textformat.write(series, textformat.OPENMETRICS).decode() == (
        '# HELP tw_steps Steps.\n# TYPE tw_steps counter\ntw_steps_total{run="luca"} 3.0\n# EOF\n'
    )


def test_a_histogram_is_cumulative() -> None:
    series = [Series(HISTOGRAM, histograms=[(("luca",), Buckets((0.5, 1.0), (1, 2, 3), 12.5))])]
    assert textformat.write(series).decode().splitlines()[2:] == [
        'tw_step_seconds_bucket{run="luca",le="0.5"} 1',
        'tw_step_seconds_bucket{run="luca",le="1.0"} 3',
        'tw_step_seconds_bucket{run="luca",le="+Inf"} 6',
        'tw_step_seconds_sum{run="luca"} 12.5',
        'tw_step_seconds_count{run="luca"} 6',
    ]


def test_a_value_that_nobody_told_stays_absent() -> None:
    assert build(GAUGE, [(("0", "a"), None)]).samples == []


def test_label_sets_that_come_and_go_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(textformat, "_KEPT", 3)
    family = Family("tw_coming_and_going", "gauge", "Help.", ("run",))
    every = [((f"run-{number}",), float(number)) for number in range(10)]
    lines = textformat.write([build(family, every)]).decode().splitlines()[2:]
    assert lines == [f'tw_coming_and_going{{run="run-{number}"}} {number}.0' for number in range(10)]
    assert len(textformat._befores(family.name, family.labels)) <= 3
