"""What a trainer's own script shows of itself: whether it takes the checkpoint that it is told.

A script may take ``--resume_from_checkpoint`` without a word and begin from zero all the same, writing over what was
saved. So it is read (never run): it must hand on to the library what it was told on the command line.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from trainwarden.checkpoints.reading import open_regular, size_of

_MAX_SCRIPT = 2_000_000
"""Bytes."""


class Command(Struct, frozen=True):
    """A command line, split behind the trainer's script or module."""

    launcher: list[str]
    arguments: list[str]
    script: str | None
    """None where the command shows no Python file."""


class HandsOn(Struct, frozen=True):
    """What to look for: ``….method(keyword=…)``, of an option that the script takes and reads."""

    method: str
    keyword: str | None
    """None: by its place."""
    option: str
    """Without dashes; read as an attribute or a key of this name."""
    parsers: frozenset[str] = frozenset()
    """Names that bring the option with them."""

    @property
    def said(self) -> str:
        """The call as a person writes it."""
        return f"{self.method}({self.keyword}=…)" if self.keyword else f"{self.method}(…)"


def split(command: list[str]) -> Command:
    """Behind the first Python file or module; a program that is none gets all arguments."""
    for index, word in enumerate(command):
        if word.endswith(".py"):
            return Command(command[: index + 1], command[index + 1 :], word)
        if index and command[index - 1] in ("-m", "--module") and not _is_launcher(word):
            return Command(command[: index + 1], command[index + 1 :], None)
    return Command(command[:1], command[1:], None)


def _is_launcher(module: str) -> bool:
    return module in ("accelerate.commands.launch", "torch.distributed.run", "torch.distributed.launch")


def read(path: Path) -> ast.Module | None:
    """The script's syntax tree; None for what cannot be read as Python."""
    try:
        with open_regular(path) as file:
            return ast.parse(file.read(min(size_of(file), _MAX_SCRIPT)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def hands_on(tree: ast.Module, wanted: HandsOn) -> bool:
    """Whether the script takes the option, reads it, and makes the call with what is no constant."""
    nodes = list(ast.walk(tree))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    takes = f"--{wanted.option}" in texts or bool(wanted.parsers & (names | attributes))
    reads = wanted.option in attributes or wanted.option in texts
    calls = calls_of(nodes, wanted.method)
    return takes and reads and any(_passes(call, wanted.keyword) for call in calls)


def calls_of(nodes: list[ast.AST], name: str) -> Iterator[ast.Call]:
    """Every call of a function or method of this name."""
    for node in nodes:
        if isinstance(node, ast.Call):
            called = node.func
            if (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == name:
                yield node


def _passes(call: ast.Call, keyword: str | None) -> bool:
    given = [word.value for word in call.keywords if keyword is None or word.arg == keyword]
    given += call.args if keyword is None else []
    return any(not isinstance(value, ast.Constant) for value in given)
