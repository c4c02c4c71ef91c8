"""Which GPUs are a run's: as declared, as its members say, or not known."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.collectors.samples import BOOT, NOW, spec, state, write
from trainwarden.collectors.base import Card
from trainwarden.collectors.runs import Run, Runs, cards

A, B = "GPU-aaaa-1111", "GPU-bbbb-2222"
EQUAL = {A: Card(0, "NVIDIA A100"), B: Card(1, "NVIDIA A100")}
MIXED = {A: Card(0, "NVIDIA A100"), B: Card(1, "NVIDIA T4")}


def read(root: Path) -> Run:
    return Runs(root, keep_ended=0).read(NOW, BOOT).runs[0]


def read_one(root: Path, *parts: Any) -> Run:
    write(root, *parts)
    return read(root)


@pytest.mark.parametrize(
    ("declared", "visible", "expected"),
    [
        pytest.param([1], ["0"], {("1", B)}, id="declared before visible"),
        pytest.param(None, ["1"], {("1", B)}, id="visible by index"),
        pytest.param(None, [B, "0"], {("0", A), ("1", B)}, id="visible by UUID and index"),
        pytest.param(None, ["GPU-bbbb"], {("1", B)}, id="visible by the beginning of a UUID"),
        pytest.param(None, [], set(), id="none is visible"),
        pytest.param(None, None, set(), id="nothing is said, two cards: unknown"),
        pytest.param([7], None, set(), id="a declared card that is not there"),
    ],
)
def test_the_gpus_of_a_run(
    tmp_path: Path, declared: list[int] | None, visible: list[str] | None, expected: set[tuple[str, str]]
) -> None:
    run = read_one(tmp_path, spec(gpus=declared), state(gpus=visible))
    assert set(cards(run, EQUAL)) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param({"gpus": ["1"]}, [], id="a number, which CUDA may count otherwise: unknown"),
        pytest.param({"gpus": [B, "0"]}, [], id="a UUID beside a number: unknown as a whole"),
        pytest.param({"gpus": ["1"], "gpus_by_bus": True}, [("1", B)], id="a number in the driver's order"),
        pytest.param({"gpus": [B]}, [("1", B)], id="a UUID"),
    ],
)
def test_among_cards_of_different_models_a_number_needs_the_drivers_order(
    tmp_path: Path, facts: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert cards(read_one(tmp_path, spec(), state(**facts)), MIXED) == expected


def test_declared_cards_are_the_drivers_whatever_the_members_say(tmp_path: Path) -> None:
    assert cards(read_one(tmp_path, spec(gpus=[1]), state(gpus=["0"])), MIXED) == [("1", B)]


def test_a_state_of_an_older_supervisor_says_nothing_of_the_order(tmp_path: Path) -> None:
    folder = write(tmp_path, spec(), state(gpus=["1"], gpus_by_bus=True))
    old = json.loads(folder.state_path.read_bytes())
    del old["gpus_by_bus"]
    folder.state_path.write_text(json.dumps(old))
    assert cards(read(tmp_path), MIXED) == []
    assert cards(read(tmp_path), EQUAL) == [("1", B)]


def test_a_run_that_says_nothing_uses_the_machines_only_gpu(tmp_path: Path) -> None:
    run = read_one(tmp_path, spec(), state())
    assert cards(run, {A: EQUAL[A]}) == [("0", A)]
