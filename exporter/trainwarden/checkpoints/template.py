"""Arguments that ask a trainer to resume, written with placeholders: put into a command, and read back out of it."""

import re
from collections.abc import Iterator

from trainwarden.errors import RefusedError
from trainwarden.model import Checkpoint

CHECKPOINT = "{checkpoint}"
_PLACEHOLDER = re.compile(r"\{(checkpoint|epoch|step)\}")


def placeholders(template: list[str]) -> set[str]:
    """The names that stand in braces."""
    return {name for word in template for name in _PLACEHOLDER.findall(word)}


def put(arguments: list[str], template: list[str], checkpoint: Checkpoint) -> list[str]:
    """The arguments without earlier ones of the template's names, and behind them the template filled in.

    Raises ``RefusedError`` where the checkpoint does not tell what is asked for.
    """
    values = {"checkpoint": checkpoint.path, "epoch": checkpoint.epoch, "step": checkpoint.step}

    def value(match: re.Match[str]) -> str:
        told = values[match[1]]
        if told is None:
            raise RefusedError(f"{checkpoint.path}: does not tell its {match[1]}, which the trainer is to be told")
        return str(told)

    filled = [_PLACEHOLDER.sub(value, word) for word in template]
    named = dict(_named(template))
    return [*(word for name, words in _split(arguments, named) if name not in named for word in words), *filled]


def read(arguments: list[str], template: list[str]) -> str | None:
    """The checkpoint that the arguments themselves name; None where they name none."""
    named = dict(_named(template))
    asking = {name for name, words in _split(template, named) if CHECKPOINT in words[-1]}
    given = [words for name, words in _split(arguments, named) if name in asking]
    if not given:
        return None
    return given[-1][-1] if len(given[-1]) > 1 else given[-1][0].partition("=")[2] or None


def _named(template: list[str]) -> Iterator[tuple[str, bool]]:
    """The options of a template, and whether they take a value; ``key=value`` is one too."""
    for word, after in zip(template, [*template[1:], "-"], strict=True):
        name = _name(word)
        if name:
            yield name, "=" in word or not after.startswith("-")


def _split(arguments: list[str], named: dict[str, bool]) -> Iterator[tuple[str, list[str]]]:
    """The words of each named option together; every other word alone."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        name = _name(word)
        values = arguments[index + 1 : index + 2] if named.get(name) and "=" not in word else []
        values = [value for value in values if not value.startswith("-")]
        yield name, [word, *values]
        index += 1 + len(values)


def _name(word: str) -> str:
    """``--resume``, also of ``--resume=x``; ``key=`` of ``key=x``; empty for a value. Dashes count as underscores."""
    name, equals, _ = word.partition("=")
    if name.startswith("-"):
        dashes = len(name) - len(name.lstrip("-"))
        return name[:dashes] + name[dashes:].replace("-", "_")
    return name + equals if equals else ""
