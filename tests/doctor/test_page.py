"""`docs/doctor.md` and the walk tell of the same links."""

import re

from tests.conftest import REPOSITORY
from trainwarden.doctor.finding import Status
from trainwarden.doctor.walk import LINKS


def test_the_page_tells_of_every_link_and_status_in_their_order() -> None:
    told = re.findall(r"^\| `([a-z -]+)` \|", (REPOSITORY / "docs/doctor.md").read_text(), re.MULTILINE)
    assert told == [*(status.value for status in Status), *(link.name for link in LINKS)]


def test_a_link_needs_only_what_was_looked_at_before() -> None:
    seen: set[str] = set()
    for link in LINKS:
        assert set(link.needs) <= seen, link.name
        seen.add(link.name)
