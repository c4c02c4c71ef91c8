"""The guide's ladders: which rung comes next, and what it changes."""

import pytest

from trainwarden.advise.remedies import REMEDIES, Value, find, frugal, next_rung

BALANCED: dict[str, Value] = {
    "max_data_loader_n_workers": 2,
    "persistent_data_loader_workers": True,
    "lowram": False,
    "cache_latents_to_disk": False,
    "vae_batch_size": 2,
    "gradient_accumulation_steps": 6,
    "gradient_checkpointing": False,
}
"""The guide's balanced configuration (§3)."""


@pytest.mark.parametrize("problem", ["memory", "vram"])
def test_a_balanced_run_goes_down_the_whole_ladder_in_the_guides_order(problem: str) -> None:
    in_force, taken = dict(BALANCED), []
    while rung := next_rung(problem, in_force):
        in_force.update(frugal(rung.values, in_force))
        taken.append(rung.letter)
    assert taken == ["A", "B", "C"]


def test_what_is_in_force_is_passed_over() -> None:
    rung = next_rung("vram", {**BALANCED, "vae_batch_size": 1, "gradient_accumulation_steps": 1})
    assert rung is not None
    assert rung.letter == "C"


def test_nothing_is_ever_raised() -> None:
    in_force = {**BALANCED, "max_data_loader_n_workers": 0}
    assert frugal(REMEDIES[0].values, in_force) == {"persistent_data_loader_workers": False}


def test_a_setting_that_may_not_be_changed_is_left_alone() -> None:
    in_force = {key: value for key, value in BALANCED.items() if key != "gradient_accumulation_steps"}
    rung = next_rung("vram", {**in_force, "vae_batch_size": 1})
    assert rung is not None
    assert rung.letter == "C"


def test_only_what_the_guide_calls_risky_is_marked_so() -> None:
    assert [remedy.name for remedy in REMEDIES if remedy.risk.startswith("risky")] == ["vram C"]


def test_names_are_found_again() -> None:
    assert [find(remedy.name) for remedy in REMEDIES] == list(REMEDIES)
    assert find("vram D") is None
