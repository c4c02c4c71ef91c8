import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints.making import cut, make_torch
from trainwarden.checkpoints import torchzip


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.mkdir, (self.path,)


def test_a_file_laid_out_as_torch_does_is_whole(tmp_path: Path) -> None:
    assert torchzip.fault(make_torch(tmp_path / "a.bin")) == ""


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = make_torch(tmp_path / "a.bin", size=700)
    for size in range(path.stat().st_size - 1, -1, -1):
        cut(path, size)
        assert torchzip.fault(path).endswith("the save was cut short"), size


def test_a_zip_without_pickle_is_not_torchs(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert torchzip.fault(path) == f"{path}: holds no data.pkl, so torch did not write it"


def test_a_directory_that_points_behind_the_data_is_damaged(tmp_path: Path) -> None:
    path = make_torch(tmp_path / "a.bin")
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\1\2")
    content[entry + 42 : entry + 46] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(content)
    assert "points behind its own data" in torchzip.fault(path)


def test_the_pickle_is_never_loaded(tmp_path: Path) -> None:
    path, trap = tmp_path / "a.bin", tmp_path / "sprung"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Bomb(trap)))
    assert torchzip.fault(path) == ""
    assert not trap.exists()


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=8))
def test_any_damage_to_the_directory_gets_an_answer(
    tmp_path_factory: pytest.TempPathFactory, where: int, damage: bytes
) -> None:
    path = make_torch(tmp_path_factory.getbasetemp() / "any.bin", size=16)
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\1\2")
    offset = start + where % (len(content) - start)
    content[offset : offset + len(damage)] = damage
    path.write_bytes(content)
    assert isinstance(torchzip.fault(path), str)
