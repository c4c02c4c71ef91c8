"""`docs/status.md` tells of the same table, levels and keys."""

import re

import msgspec
import pytest

from tests.conftest import REPOSITORY
from tests.golden.__main__ import EXAMPLE, STATUS
from trainwarden.status import report
from trainwarden.status.report import Level

PAGE = (REPOSITORY / "docs/status.md").read_text()
STRUCTURES = {
    "the whole": report.Report,
    "`machine`": report.Machine,
    "`machine.gpus[]`": report.Card,
    "`signals[]` of the machine and of a run": report.Signal,
    "`runs.NAME`": report.Run,
    "`runs.NAME.checkpoints[]`": report.Saved,
    "`processes[]`": report.Process,
    "`faults[]`": report.Fault,
}


def test_the_example_is_what_is_printed_of_the_recorded_machine() -> None:
    assert EXAMPLE.findall(PAGE) == [STATUS.read_text()], "make golden"


@pytest.mark.parametrize("place", STRUCTURES)
def test_every_key_is_on_the_page_and_no_other(place: str) -> None:
    row = re.search(rf"^\| {re.escape(place)} \| (.*) \|$", PAGE, re.MULTILINE)
    assert row, place
    outside = re.sub(r"\([^)]*\)", "", row[1])
    assert re.findall(r"`(\w+)`", outside) == [field.name for field in msgspec.structs.fields(STRUCTURES[place])]


def test_every_level_is_on_the_page() -> None:
    assert {level.value for level in Level} <= set(re.findall(r"`(\w+)`", PAGE))
