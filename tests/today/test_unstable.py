"""Where unstable's packages would come from, by what the machine's own sources say."""

from pathlib import Path

import pytest

from tests.stack.test_tools import put
from tests.today import unstable

KEY = "/usr/share/keyrings/debian-archive-keyring.gpg"
LINES = f"""# Debian
deb http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by={KEY}] http://mirror.example/debian trixie main
"""
PARAGRAPHS = f"""Types: deb
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

# Here was another.

# The newer one:
Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Signed-By: {KEY}
"""
EMBEDDED = "Types: deb\nURIs: http://mirror.example/debian\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n"


@pytest.mark.parametrize(
    ("name", "text", "entry", "expected"),
    [
        ("debian.list", LINES, 2, ""),
        ("debian.list", LINES, 3, f"Signed-By: {KEY}"),
        ("debian.sources", PARAGRAPHS, 1, ""),
        ("debian.sources", PARAGRAPHS, 2, f"Signed-By: {KEY}"),
        ("debian.sources", EMBEDDED, 1, ""),
    ],
)
def test_the_key_is_the_entrys_own(name: str, text: str, entry: int, expected: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(text)
    indextargets = f'echo "http://mirror.example/debian/ {file}:{entry}"'
    assert _sources(tmp_path, indextargets) == (
        f"Types: deb\nURIs: http://mirror.example/debian/\nSuites: unstable\nComponents: main\n{expected}\n"
    )


@pytest.mark.parametrize("indextargets", ["", None])
def test_without_a_debian_mirror_there_is_none(indextargets: str | None, tmp_path: Path) -> None:
    assert _sources(tmp_path, indextargets) is None


def _sources(folder: Path, indextargets: str | None) -> str | None:
    """As on a machine whose apt says so; None: it has no apt."""
    programs = folder / "bin"
    programs.mkdir()
    if indextargets is not None:
        for name in ("apt-get", "apt-cache", "dpkg-deb"):
            put(programs / name, indextargets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(programs))
        return unstable.sources()
