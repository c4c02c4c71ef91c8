"""One page for each alert, each of the same sections, with the remedies and the settings that its rule names."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.rules import shipped

FOLDER = REPOSITORY / "docs" / "runbooks"
SECTIONS = ["Why it matters", "Look here", "Mend", "What trainwarden does by itself"]
PAGES = sorted(FOLDER.glob("*.md"))
ALERTS = {rule["alert"] for rule in shipped.alerts()}
REMEDY = re.compile(r"\b([a-z][a-z_]+_[a-z_]+|lowram) = ")
THRESHOLD = re.compile(r"threshold\{[^}]*?signal=\"(\w+)\"")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"(?<!\^)\bTrainwarden[A-Z]\w+\b(?!\.\+)")
"""But for what a route or a template means as the beginning of a name."""
CLASS = re.compile(r"\bclass (Trainwarden\w+)|import (Trainwarden\w+)")
STANDS_FOR_ANY = {"TrainwardenAny"}
"""With which doctor asks the routes who is told."""
PLACES = ("README.md", "docs", "examples", "alertmanager", "grafana", "prometheus", "exporter")


def sections(page: Path) -> dict[str, str]:
    """What stands below each heading; below the empty one the meaning."""
    parts = re.split(r"(?m)^## (.+)$", page.read_text().partition("\n")[2])
    return {"": parts[0].strip(), **{title: text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_every_section_and_none_is_empty(page: Path) -> None:
    assert page.read_text().startswith(f"# {page.stem}\n")
    found = sections(page)
    assert list(found) == ["", *SECTIONS]
    assert all(found.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_it_links_to_is_there(page: Path) -> None:
    assert [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()] == []


def of_alerts(pattern: re.Pattern[str], *parts: str) -> dict[str, set[str]]:
    """What the rules of each alert say of a pattern."""
    found: dict[str, set[str]] = defaultdict(set)
    for rule in shipped.alerts():
        text = " ".join([*(rule["annotations"][part] for part in parts), "" if parts else rule["expr"]])
        found[rule["alert"]] |= set(pattern.findall(text))
    return found


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_every_remedy_of_the_rule_stands_under_mend(alert: str) -> None:
    mend = sections(FOLDER / f"{alert}.md")["Mend"]
    assert {key for key in of_alerts(REMEDY, "remedy")[alert] if key not in mend} == set()


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_every_number_that_can_be_set_is_named_as_a_setting(alert: str) -> None:
    page = (FOLDER / f"{alert}.md").read_text()
    assert {signal for signal in of_alerts(THRESHOLD)[alert] if signal not in page} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_to_be_typed_is_a_shells(page: Path) -> None:
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", page.read_text()):
        said = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr


def _files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *PLACES], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    paths = (REPOSITORY / line for line in listed.stdout.splitlines())
    return [path for path in paths if path.suffix in {".md", ".py", ".yml", ".yaml", ".json", ".tmpl"}]


def test_every_alert_that_is_named_anywhere_exists() -> None:
    """In docs, routes, templates, dashboards, examples and the product's own code."""
    texts: dict[Path, Any] = {path: path.read_text() for path in _files() if path.is_file()}
    classes = {name for text in texts.values() for match in CLASS.findall(text) for name in match}
    wrong = {
        path.name: names
        for path, text in texts.items()
        if (names := set(NAMED.findall(text)) - ALERTS - classes - STANDS_FOR_ANY)
    }
    assert wrong == {}
