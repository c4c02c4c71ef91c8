"""What the generator of ``docs/metrics.md`` finds in code, rules and dashboards."""

from pathlib import Path

import pytest
from docs.build import code, metrics, uses

from trainwarden import names

EVERY = (*names.EXPORTER_FAMILIES, *names.PROCESS_FAMILIES, *names.RECEIVER_FAMILIES)


def test_every_family_stands_in_one_section() -> None:
    found = [family for families in code.sections().values() for family in families]
    assert sorted(found) == sorted(EVERY)


def test_every_section_has_a_title() -> None:
    assert set(code.sections()) == set(metrics._SECTIONS)


@pytest.mark.parametrize("family", EVERY, ids=lambda family: family.name)
def test_a_family_that_is_exported_is_yielded_by_a_module(family: names.Family) -> None:
    assert code.yielding(family)


def test_a_module_that_only_reads_a_family_back_does_not_yield_it() -> None:
    reader = Path("restart/exporter.py")
    assert reader in code.reading(names.GPU_UP)
    assert reader not in code.yielding(names.GPU_UP)


def test_a_purpose_is_the_docstrings_first_sentence() -> None:
    assert code.purpose(Path("names.py")) == (
        "The names that are the interface between exporter, receiver, rules and dashboards"
    )


def test_an_alert_asks_for_what_its_recording_rules_are_computed_from() -> None:
    assert "TrainwardenRunSlow" in uses.alerts(names.RUN_STEP_DURATION)


def test_an_alert_asks_for_what_only_its_text_names() -> None:
    rule = next(rule for rule in uses._rules() if rule.get("alert") == "TrainwardenGpuHot")
    assert names.THRESHOLD.name in rule["annotations"]["description"]
    assert "TrainwardenGpuHot" in uses.alerts(names.THRESHOLD)


def test_a_name_that_begins_with_another_is_not_that_other() -> None:
    """``trainwarden_checkpoints`` has panels and no alert; ``trainwarden_checkpoints_valid`` has one."""
    assert uses.alerts(names.CHECKPOINTS) == []
    assert uses.alerts(names.CHECKPOINTS_VALID) == ["TrainwardenCheckpointInvalid"]


def test_panels_annotations_and_variables_are_told_apart() -> None:
    assert "Run: GPU power" in uses.panels(names.GPU_POWER)
    assert "Run: marks “Launches”" in uses.panels(names.RUN_START)
    assert "Run: choice “Run”" in uses.panels(names.RUN_INFO)


def test_a_panel_in_a_folded_row_is_found() -> None:
    folded = {"title": "row", "panels": [{"title": "inside"}]}
    assert [panel["title"] for panel in uses._unfolded([folded])] == ["row", "inside"]


@pytest.mark.parametrize(
    ("family", "said"),
    [
        (names.HOST_MEMORY_TOTAL, "bytes"),
        (names.GPU_ENERGY, "joules"),
        (names.RUN_LAST_STEP, "Unix time, seconds"),
        (names.RUN_STEP, "a number"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_unit_is_how_the_name_ends(family: names.Family, said: str) -> None:
    assert metrics.unit(family) == said
