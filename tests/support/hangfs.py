"""A folder that can be made to hang for a child, as under a network mount whose server is gone (tests/fakes/hangfs)."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "fakes/hangfs/hangfs.c"


class HangingFolder:
    """The folder, and the switch that makes it hang."""

    def __init__(self, library: Path, folder: Path, switch: Path) -> None:
        self.path = folder
        self._library = library
        self._switch = switch

    def moved(self, folder: Path) -> "HangingFolder":
        """The same for another folder."""
        return HangingFolder(self._library, folder, self._switch)

    def environment(self) -> dict[str, str]:
        """What a child needs in its environment to have this folder hang for it."""
        return {"LD_PRELOAD": str(self._library), "HANGFS_PATH": str(self.path), "HANGFS_SWITCH": str(self._switch)}

    def hang(self) -> None:
        """From now on, whoever asks about the folder waits."""
        self._switch.touch()

    def answer(self) -> None:
        """Let everybody go on."""
        self._switch.unlink(missing_ok=True)


def build_library(folder: Path) -> Path:
    """Compile the library into ``folder`` and return its path."""
    compiler = shutil.which("cc")
    if compiler is None:
        sentence = "a folder that hangs needs a C compiler: install one (apt install gcc), so that `cc` is on the PATH"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(sentence)
    library = folder / "hangfs.so"
    flags = ("-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run([str(compiler), *flags, "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


@pytest.fixture(scope="session")
def hangfs_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library, built once a session."""
    return build_library(tmp_path_factory.mktemp("hangfs"))


@pytest.fixture
def hanging(hangfs_library: Path, tmp_path: Path) -> Iterator[HangingFolder]:
    """A folder that answers until it is told to hang."""
    folder = HangingFolder(hangfs_library, tmp_path / "mount", tmp_path / "mount is gone")
    folder.path.mkdir()
    yield folder
    folder.answer()
