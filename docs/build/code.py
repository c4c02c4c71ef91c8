"""What the product's own source says about its metric families: in which section each is named, and who yields it.

Read from the code itself, so that no second list can drift from it.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import trainwarden
from trainwarden import names
from trainwarden.names import Family

PACKAGE = Path(trainwarden.__path__[0])

_HEADING = re.compile(r"# --- (.+?) -+")
_FAMILY = re.compile(r"([A-Z][A-Z0-9_]*) = Family\(")
_YIELDING = ("collectors", "web", "restart/metrics.py")
"""Where series are made; any other module that names a family reads it."""


def sections() -> dict[str, list[Family]]:
    """The headings of ``names.py`` with the families below each; what stands above the first goes to the last."""
    found: dict[str, list[Family]] = {}
    above: list[Family] = []
    below = above
    for line in (PACKAGE / "names.py").read_text().splitlines():
        if heading := _HEADING.match(line):
            below = found.setdefault(heading[1], [])
        elif family := _FAMILY.match(line):
            below.append(getattr(names, family[1]))
    exporter_itself = next(families for families in found.values() if names.COLLECTOR_SUCCESS in families)
    exporter_itself[:0] = above
    return {heading: families for heading, families in found.items() if families}


def yielding(family: Family) -> list[Path]:
    """The modules that yield it, relative to the package; none while nothing does yet."""
    return [module for module in _naming(family) if _makes_series(module)]


def reading(family: Family) -> list[Path]:
    """The modules that read it back from ``/metrics``, relative to the package."""
    return [module for module in _naming(family) if not _makes_series(module)]


def purpose(module: Path) -> str:
    """The first sentence of a module's docstring, without its full stop."""
    said = ast.get_docstring(ast.parse((PACKAGE / module).read_text())) or ""
    first = re.split(r"\.(?:\s|$)", said, maxsplit=1)[0]
    return " ".join(first.split()).replace("``", "`")


def _makes_series(module: Path) -> bool:
    return any(module.is_relative_to(place) for place in _YIELDING)


def _naming(family: Family) -> list[Path]:
    (constant,) = [name for name, value in vars(names).items() if value is family]
    return [module for module, constants in _modules().items() if constant in constants]


@cache
def _modules() -> dict[Path, set[str]]:
    """Every module of the package with the constants of ``names`` that it uses."""
    every = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return {module: set(_constants(module)) for module in every}


def _constants(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "names":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "trainwarden.names":
            yield from (alias.name for alias in node.names)
