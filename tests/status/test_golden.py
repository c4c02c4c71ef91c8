"""What is said of the recorded machine has not drifted, and can be read in 80 columns."""

import io
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.golden import status
from tests.golden.__main__ import STATUS, STATUS_JSON
from trainwarden.status.draw import Fitted, drawn
from trainwarden.status.report import Report


@pytest.fixture(scope="module")
def told() -> Report:
    return msgspec.json.decode(STATUS_JSON.read_bytes(), type=Report)


def test_the_report_is_as_the_golden_file_has_it(nvml_library: Path, tmp_path: Path) -> None:
    found = status.report(nvml_library, tmp_path)
    assert status.as_json(found) == STATUS_JSON.read_text(), "if this change is meant: make golden"


def test_it_is_drawn_as_the_golden_file_has_it(told: Report) -> None:
    assert status.as_text(told) == STATUS.read_text(), "if this change is meant: make golden"


def test_80_columns_hold_it_and_only_the_output_is_cut(told: Report) -> None:
    lines = status.as_text(told).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if "…" in line and not line.startswith("  output ")] == []


def test_a_run_that_is_over_is_a_line_and_whole_where_it_is_asked_for(told: Report) -> None:
    (line,) = [line for line in status.as_text(told).splitlines() if "mia" in line]
    assert line == "run mia: safe, finished 4 h ago, step 2,400 of 2,400, generation 2, exit code 0"
    alone = status.as_text(told, whole=False)
    assert "mia-000002-state, epoch 2" in alone
    assert "RAM available" not in alone


def test_colours_say_no_more_than_the_words(told: Report) -> None:
    coloured = status.as_text(told, colour=True)
    assert "\x1b[32msafe" in coloured
    assert "\x1b[33mwarning" in coloured


def test_a_low_window_holds_its_beginning_and_says_how_much_there_is_besides(told: Report) -> None:
    console = Console(file=io.StringIO(), width=80, height=20)
    console.print(Fitted(drawn(told, whole=True)))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    whole = status.as_text(told).splitlines()
    assert [line.rstrip() for line in lines[1:19]] == whole[1:19]
    assert lines[19] == f"{len(whole) - 19} lines more: in a higher window, or with a run's name"
    assert len(lines) == 20
