"""The table of metric families keeps the field's conventions."""

import re

import pytest

from trainwarden import names

FAMILIES = (*names.EXPORTER_FAMILIES, *names.RECEIVER_FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_keeps_the_conventions(family: names.Family) -> None:
    assert re.fullmatch(r"trainwarden_[a-z0-9]+(_[a-z0-9]+)*", family.name)
    assert (family.kind == "counter") == (family.name.endswith("_total") and "memory_total" not in family.name)
    assert family.help.endswith(".")
    assert family.kind in ("gauge", "counter", "histogram")


def test_no_name_is_given_twice() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
