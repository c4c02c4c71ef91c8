"""The guide's remedies for want of memory, as rungs of two ladders (guide §2).

A rung counts only where it changes something: what a run's settings already hold is passed over, and nothing is ever
raised (a run with no data loader worker is not given one).
"""

from collections.abc import Mapping
from typing import NamedTuple

Value = int | bool
"""Of a key of kohya-ss/sd-scripts."""


class Remedy(NamedTuple):
    """One rung."""

    problem: str
    """``memory`` (guide §2, problem 1) or ``vram`` (problem 2)."""
    letter: str
    """The guide's own, A first."""
    values: dict[str, Value]
    risk: str = ""
    """What else it may do, where that is not harmless: one sentence."""

    @property
    def name(self) -> str:
        """As it stands in the ledger, in labels and on the socket."""
        return f"{self.problem} {self.letter}"


REMEDIES = (
    Remedy("memory", "A", {"max_data_loader_n_workers": 1, "persistent_data_loader_workers": False}),
    Remedy("memory", "B", {"lowram": True}),
    Remedy(
        "memory",
        "C",
        {"cache_latents_to_disk": True},
        "the trainer writes the latents beside the training images (.npz, guide §3: slower)",
    ),
    Remedy("vram", "A", {"vae_batch_size": 1}),
    Remedy(
        "vram",
        "B",
        {"gradient_accumulation_steps": 4},
        "the effective batch becomes smaller, and the steps of an epoch more",
    ),
    Remedy(
        "vram",
        "C",
        {"gradient_checkpointing": True},
        "risky: under WSL2, after more than 6 h, it was seen to end in 'CUDA unknown error' (guide §3)",
    ),
)
"""In the guide's order."""

_FRUGAL_SWITCHES = {
    "persistent_data_loader_workers": False,
    "lowram": True,
    "cache_latents_to_disk": True,
    "gradient_checkpointing": True,
}
"""What needs less memory; of numbers the smaller one does."""


def find(name: str) -> Remedy | None:
    """The rung of this name, None where there is none."""
    return next((remedy for remedy in REMEDIES if remedy.name == name), None)


def next_rung(problem: str, in_force: Mapping[str, Value]) -> Remedy | None:
    """The first rung against ``problem`` that would change the settings in force; None at the end of the ladder."""
    return next((r for r in REMEDIES if r.problem == problem and frugal(r.values, in_force)), None)


def frugal(values: Mapping[str, Value], in_force: Mapping[str, Value]) -> dict[str, Value]:
    """Those of ``values`` that need less than what is in force; a key that is not in force cannot be changed."""
    return {key: value for key, value in values.items() if key in in_force and _saves(key, value, in_force[key])}


def _saves(key: str, value: Value, in_force: Value) -> bool:
    if key in _FRUGAL_SWITCHES:
        return in_force != _FRUGAL_SWITCHES[key]
    return value < in_force
