"""A committed dashboard, as the tests look at it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "grafana"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))

Panel = dict[str, Any]


class Asked(NamedTuple):
    """One query of a panel or an annotation."""

    where: str
    expression: str


def load(path: Path) -> dict[str, Any]:
    """The dashboard's JSON."""
    return dict(json.loads(path.read_text()))


def panels(board: dict[str, Any]) -> list[Panel]:
    """Every panel that shows something; rows are headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def asked(board: dict[str, Any]) -> Iterator[Asked]:
    """Everything that the dashboard asks Prometheus."""
    for panel in panels(board):
        yield from (Asked(f"{panel['title']} {t['refId']}", t["expr"]) for t in panel["targets"])
    yield from (Asked(f"annotation {a['name']}", a["expr"]) for a in board["annotations"]["list"])


def filled(expression: str, *, instance: str = "workstation", run: str = "luca", rate_interval: str = "5m") -> str:
    """The expression as Grafana would send it."""
    values = {"instance": instance, "run": run, "__rate_interval": rate_interval}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], expression)
