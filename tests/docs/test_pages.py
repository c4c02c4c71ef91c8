"""What the pages say is so: their links lead somewhere, their commands and flags exist, their configuration loads."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from trainwarden import config as configuration
from trainwarden.cli import main

PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")])
COMMAND = re.compile(r"\btrainwarden ((?:--config \S+ )?[a-z]+)\b([^`\n|&;)]*)")
CONFIGURATION = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def named(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def code(text: str) -> str:
    """What stands in blocks and spans of code."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return "\n".join([*blocks, *spans])


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of ours that is written there, with its own flags; what follows ``--`` is another's."""
    for word, rest in COMMAND.findall(code(text)):
        own = re.split(r"\s--(?:\s|$)|\s#", rest)[0]
        yield word.split()[-1], re.findall(r"(?<!\S)(--[a-z.-]+|-[a-z]\b)", own)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_and_flag_exists(page: Path) -> None:
    for name, flags in commands(page.read_text()):
        assert name in main.commands, name
        known = {option for param in main.commands[name].params for option in (*param.opts, *param.secondary_opts)}
        assert set(flags) - {*known, "-h", "--help"} == set(), name


def test_the_readme_names_every_command_but_the_one_for_job_scripts() -> None:
    written = {name for name, _ in commands((REPOSITORY / "README.md").read_text())}
    alone = set(re.findall(r"`([a-z]+)(?: NAME)?`", (REPOSITORY / "README.md").read_text()))
    assert set(main.commands) - written - alone == {"exec"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_piece_of_configuration_loads(page: Path) -> None:
    for text in CONFIGURATION.findall(page.read_text()):
        raw = yaml.safe_load(text)
        if isinstance(raw, dict) and set(raw) <= set(configuration.Config.__struct_fields__):
            configuration.parse(raw, named(page))


def test_the_floors_are_those_that_are_held() -> None:
    held = re.search(r"^layers = \[\n(.*?)^\]", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE | re.DOTALL)
    assert held
    floors = [line.strip(' ",').replace("trainwarden.", "") for line in held[1].splitlines()]
    written = re.search(r"^```\n(cli.*?)^```", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    assert written
    assert " ".join(written[1].split()).split(" → ") == floors


def test_every_command_says_in_its_help_what_it_does() -> None:
    for name, command in main.commands.items():
        assert command.help and command.short_help, name
