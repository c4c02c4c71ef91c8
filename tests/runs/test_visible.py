"""What CUDA_VISIBLE_DEVICES says, and when nobody can tell which cards its numbers mean."""

import pytest

from tests.collectors.samples import spec, state
from trainwarden.runs.visible import by_number, in_doubt, visible_devices

FAST, SLOW = "NVIDIA A100-SXM4-80GB", "NVIDIA GeForce RTX 4080"


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("0,1", ["0", "1"]),
        (" GPU-a , GPU-b", ["GPU-a", "GPU-b"]),
        ("GPU-a,1", ["GPU-a", "1"]),
        ("", []),
        ("-1", []),
        ("0,-1,2", ["0"]),
        ("0,-2,1", ["0"]),
        ("0,0", []),
        ("0,1,0", []),
        ("0,-1,0", ["0"]),
        ("GPU-a,GPU-a", []),
    ],
)
def test_visible_devices_are_read_as_cuda_does(value: str, entries: list[str]) -> None:
    assert visible_devices(value) == entries


@pytest.mark.parametrize(
    ("entries", "numbers"), [([], False), (["GPU-a"], False), (["MIG-a"], False), (["1"], True), (["GPU-a", "1"], True)]
)
def test_a_uuid_means_a_card_by_itself_and_a_number_does_not(entries: list[str], numbers: bool) -> None:
    assert by_number(entries) is numbers


@pytest.mark.parametrize(
    ("models", "doubt"),
    [
        pytest.param([], False, id="no card is known: there is nothing to mistake"),
        pytest.param([FAST], False, id="one card"),
        pytest.param([FAST, FAST], False, id="equal cards"),
        pytest.param([FAST, SLOW], True, id="two models"),
        pytest.param([FAST, FAST, SLOW], True, id="two models among three"),
        pytest.param([FAST, ""], True, id="one that never told its name"),
        pytest.param(["", ""], True, id="none told its name"),
    ],
)
def test_numbers_are_in_doubt_where_the_cards_differ(models: list[str], doubt: bool) -> None:
    assert in_doubt(spec(), state(gpus=["0"]), models) is doubt


def test_who_says_more_than_numbers_is_in_no_doubt() -> None:
    mixed = [FAST, SLOW]
    assert in_doubt(spec(), state(gpus=["GPU-a", "1"]), mixed)
    assert not in_doubt(spec(), state(gpus=["0"], gpus_by_bus=True), mixed)
    assert not in_doubt(spec(), state(gpus=["GPU-a"]), mixed)
    assert not in_doubt(spec(), state(gpus=[]), mixed)
    assert not in_doubt(spec(), state(), mixed)
    assert not in_doubt(spec(), None, mixed)
    assert not in_doubt(spec(gpus=[1]), state(gpus=["0"]), mixed)
