"""What every committed dashboard has to keep to: our names, the guide's numbers, and dashboard-linter's rules."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana import board as boards
from trainwarden import names
from trainwarden.stack.tools import Tools

FAMILIES = {family.name: family for family in (*names.EXPORTER_FAMILIES, *names.RECEIVER_FAMILIES)}
ALERT_SERIES = {"ALERTS", "ALERTS_FOR_STATE"}
ALERT_LABELS = {"alertname", "alertstate", "severity"}
SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
LABEL = re.compile(r'(\w+)(?:=~|!~|!=|=)"')
GROUPING = re.compile(r"\b(?:by|on|ignoring|group_left)\s*\(([\w, ]*)\)")
UNITS = {"none", "s", "h", "bytes", "percentunit", "celsius", "watt", "locale"}


@pytest.fixture(params=boards.DASHBOARDS, ids=lambda path: path.stem)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return boards.load(request.param)


def family_of(series: str) -> names.Family | None:
    return FAMILIES.get(series) or FAMILIES.get(re.sub(r"_(bucket|sum|count)$", "", series))


def test_every_series_is_a_family_of_ours_with_labels_that_it_has(board: dict[str, Any]) -> None:
    for where, expression in boards.asked(board):
        for series, matchers in SELECTOR.findall(expression):
            if series in ALERT_SERIES:
                continue
            family = family_of(series)
            assert family is not None, f"{where}: {series} is not in trainwarden.names"
            extra = set(LABEL.findall(matchers)) - {"instance", *family.labels}
            assert not extra, f"{where}: {series} has no label {extra}"


def test_series_are_joined_and_grouped_by_labels_that_exist(board: dict[str, Any]) -> None:
    known = {"instance", *ALERT_LABELS}.union(*(family.labels for family in FAMILIES.values()))
    for where, expression in boards.asked(board):
        used = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")} - {""}
        assert used <= known, f"{where}: {used - known}"


def test_every_selector_names_the_machine(board: dict[str, Any]) -> None:
    for where, expression in boards.asked(board):
        for series, matchers in SELECTOR.findall(expression):
            assert 'instance="$instance"' in matchers, f"{where}: {series}"


def test_promtool_accepts_every_expression(board: dict[str, Any], tools: Tools, tmp_path: Path) -> None:
    rules = [{"record": f"asked:{i}", "expr": boards.filled(q.expression)} for i, q in enumerate(boards.asked(board))]
    path = tmp_path / "asked.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": rules}]}))
    checked = subprocess.run([tools.promtool, "check", "rules", path], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_panel_says_what_it_shows_and_in_which_unit(board: dict[str, Any]) -> None:
    for panel in boards.panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
        assert defaults["noValue"], panel["title"]
        assert panel["targets"], panel["title"]


def test_every_query_goes_to_the_chosen_data_source(board: dict[str, Any]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in boards.panels(board):
        assert all(part["datasource"] == chosen for part in (panel, *panel["targets"])), panel["title"]
    assert all(marks["datasource"] == chosen for marks in board["annotations"]["list"])
    assert all(v["datasource"] == chosen for v in board["templating"]["list"] if v["type"] == "query")


def test_no_number_of_the_guide_is_written_into_a_dashboard(board: dict[str, Any]) -> None:
    """The lines are drawn from the threshold series; a threshold in the panel would not follow an override."""
    for panel in boards.panels(board):
        config = panel["fieldConfig"]
        properties = [p["id"] for override in config["overrides"] for p in override["properties"]]
        assert "thresholds" not in config["defaults"], panel["title"]
        assert "thresholds" not in properties, panel["title"]


def test_rates_follow_the_shown_range(board: dict[str, Any]) -> None:
    for where, expression in boards.asked(board):
        for window in re.findall(r"\bi?rate\([^\[]*\[([^\]]+)\]", expression):
            assert window == "$__rate_interval", where


def test_variables_are_chosen_anew_when_the_time_range_changes(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables)[:2] == ["datasource", "instance"]
    assert variables["datasource"]["label"] == "Data source"
    assert variables["datasource"]["query"] == "prometheus"
    assert all(v["refresh"] == 2 for v in variables.values() if v["type"] == "query")


def test_it_can_be_found_for_ever_and_is_not_edited_by_hand(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert board["uid"].startswith("trainwarden-")
    assert len(board["uid"]) <= 40
    assert len(ids) == len(set(ids))
    assert board["editable"] is False
    assert board["refresh"] == "30s"
    assert board.get("id") is None


def test_no_two_dashboards_share_a_uid() -> None:
    uids = [boards.load(path)["uid"] for path in boards.DASHBOARDS]
    assert uids
    assert len(uids) == len(set(uids))


def test_panels_fill_the_width_and_do_not_overlap(board: dict[str, Any]) -> None:
    taken: dict[int, list[int]] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        for y in range(at["y"], at["y"] + at["h"]):
            taken.setdefault(y, []).extend(range(at["x"], at["x"] + at["w"]))
    assert sorted(taken) == list(range(len(taken))), "an empty line between two panels"
    for y, columns in taken.items():
        assert sorted(columns) == list(range(24)), f"line {y}"
