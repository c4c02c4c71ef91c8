"""The states and reasons stand in the docs, and imports stay where they are meant."""

import ast
import re
from enum import Enum
from pathlib import Path

import pytest

from trainwarden.restart import events, states
from trainwarden.restart.procedure import STAGES
from trainwarden.restart.states import NEEDS_HUMAN, CallReason, GiveUpReason, HoldReason, Intake, RestartReason, State

PAGE = (Path(__file__).parents[2] / "docs/states.md").read_text()
SECTIONS = {
    State: "States",
    RestartReason: "Why a run is restarted",
    HoldReason: "Why a run is left alone",
    GiveUpReason: "Why it gives up",
    CallReason: "Why it calls while it goes on trying",
    Intake: "What became of an alert",
}


def section(title: str) -> str:
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:][list(titles()).index(title)]


def titles() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_value_has_its_row_and_no_row_is_left_over(kind: type[Enum]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section(SECTIONS[kind]), flags=re.MULTILINE)
    assert rows == [member.value for member in kind]


def test_the_figure_shows_every_state() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+)", PAGE.split("```")[1], re.MULTILINE)
    assert {name for arrow in arrows for name in arrow} == {state.value for state in State}


def test_the_page_names_every_event_of_the_ledger() -> None:
    kinds = {kind.__name__.lower() for kind in events.Event.__subclasses__()}
    assert {kind for kind in kinds if kind not in PAGE} == set()


def test_the_passing_holds_are_marked() -> None:
    from trainwarden.restart import policy

    source = Path(policy.__file__).read_text()
    passing = {name.lower() for name in re.findall(r"Hold\(HoldReason\.(\w+), passing=True\)", source)}
    passing.add(HoldReason.CHECKPOINTS_SILENT.value)  # entered by the procedure: without checkpoints nothing is decided
    marked = set(re.findall(r"^\| `(\w+)` \| yes \|", section(SECTIONS[HoldReason]), flags=re.MULTILINE))
    assert marked == passing


def test_every_state_with_something_to_do_has_a_stage() -> None:
    assert set(State) - set(STAGES) == {State.WATCHING, State.GAVE_UP}


def test_no_reason_that_calls_a_human_has_the_name_of_another() -> None:
    values = [reason.value for reason in NEEDS_HUMAN]
    assert len(values) == len(set(values))


def test_the_states_import_nothing_of_ours() -> None:
    tree = ast.parse(Path(states.__file__).read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["enum"]
