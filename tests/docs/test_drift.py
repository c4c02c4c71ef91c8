"""The committed pages are what the generator writes."""

from docs.build.__main__ import FOLDER, rendered


def test_the_committed_pages_are_the_generated_ones() -> None:
    committed = {name: (FOLDER / name).read_text() for name in rendered()}
    assert committed == rendered(), "run `make docs` and commit what it writes"
