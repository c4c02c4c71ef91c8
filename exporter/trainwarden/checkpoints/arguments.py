"""Options on a command line, as argparse reads them: ``--name value`` or ``--name=value``, and the last one counts."""

from collections.abc import Iterator, Set

NO_SWITCHES: frozenset[str] = frozenset()


def options(arguments: list[str], switches: Set[str] = NO_SWITCHES) -> dict[str, str | bool]:
    """Every option by name; True for one without a value. Of several, the last counts.

    ``switches`` are the options known to take no value.
    """
    return {name: True if value is None else value for name, value, _ in _parts(arguments, switches) if name}


def text(given: dict[str, str | bool], *names: str) -> str | None:
    """The value of the first of these options that has one."""
    return next((value for name in names if isinstance(value := given.get(name), str)), None)


def number(given: dict[str, str | bool], *names: str) -> int | None:
    """The same as a whole number; None also for what is none (the trainer refuses it itself)."""
    value = text(given, *names)
    return int(value) if value is not None and value.isdecimal() else None


def without(arguments: list[str], names: Set[str], switches: Set[str] = NO_SWITCHES) -> list[str]:
    """The arguments with these options dropped in all spellings, everything else as it was."""
    return [word for name, _, words in _parts(arguments, switches) if name not in names for word in words]


def _parts(arguments: list[str], switches: Set[str]) -> Iterator[tuple[str, str | None, list[str]]]:
    """Name, value and words of each option; a word that belongs to none comes alone, without a name.

    Names are told with underscores, which trainers that also take dashes mean by them.
    """
    index = 0
    while index < len(arguments):
        word = arguments[index]
        index += 1
        if not word.startswith("--"):
            yield "", None, [word]
            continue
        name, joined, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if joined:
            yield name, value, [word]
        elif name not in switches and index < len(arguments) and not arguments[index].startswith("--"):
            yield name, arguments[index], [word, arguments[index]]
            index += 1
        else:
            yield name, None, [word]
