"""Checkpoints: find, verify, order, and ask the trainer to go on from one. One recipe a kind of trainer."""

from trainwarden.checkpoints.accelerate import AccelerateRecipe
from trainwarden.checkpoints.base import Adapter, Recipe
from trainwarden.checkpoints.declared import TorchRecipe
from trainwarden.checkpoints.hf import HfRecipe
from trainwarden.checkpoints.kohya.adapting import KohyaAdapter
from trainwarden.checkpoints.kohya.recipe import KohyaRecipe
from trainwarden.checkpoints.lightning import LightningRecipe
from trainwarden.checkpoints.none import NoRecipe
from trainwarden.errors import ConfigurationError
from trainwarden.model import RunSpec

_ALL: tuple[Recipe, ...] = (
    KohyaRecipe(),
    HfRecipe(),
    LightningRecipe(),
    AccelerateRecipe(),
    TorchRecipe(),
    NoRecipe(),
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""By name, in the order in which they are asked; the last recognises everything."""


ADAPTERS: dict[str, Adapter] = {"kohya": KohyaAdapter()}
"""By recipe: those that the guide's remedies are options of."""


def recognise(command: list[str]) -> Recipe:
    """The recipe for this command."""
    return next(recipe for recipe in RECIPES.values() if recipe.recognises(command))


def find_recipe(name: str) -> Recipe:
    """The recipe of this name. Raises ``ConfigurationError`` where this version does not know it."""
    if name not in RECIPES:
        raise ConfigurationError(f"unknown recipe '{name}'; allowed here: {', '.join(sorted(RECIPES))}")
    return RECIPES[name]


def recipe_of(spec: RunSpec) -> Recipe:
    """The recipe that ``run.json`` names, completed by what the user declared. Raises ``ConfigurationError``."""
    known = find_recipe(spec.recipe)
    return known if spec.resume is None else known.declared(spec.resume)


def adapter_of(spec: RunSpec) -> Adapter | None:
    """How this run's settings are changed; None where the guide's keys mean nothing to its trainer."""
    return ADAPTERS.get(spec.recipe)
