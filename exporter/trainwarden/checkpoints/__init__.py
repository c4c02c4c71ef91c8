"""Checkpoints: find, verify, order, and ask the trainer to go on from one. One recipe a kind of trainer."""

from trainwarden.checkpoints.base import Recipe
from trainwarden.checkpoints.kohya.recipe import KohyaRecipe
from trainwarden.checkpoints.none import NoRecipe

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (KohyaRecipe(), NoRecipe())}
"""By name, in the order in which they are asked; the last recognises everything."""


def recognise(command: list[str]) -> Recipe:
    """The recipe for this command."""
    return next(recipe for recipe in RECIPES.values() if recipe.recognises(command))
