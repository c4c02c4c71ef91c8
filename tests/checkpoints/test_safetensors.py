import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from tests.checkpoints.making import cut, make_weights
from trainwarden.checkpoints import safetensors


def test_a_file_of_the_library_is_whole(tmp_path: Path) -> None:
    assert safetensors.fault(make_weights(tmp_path / "a.safetensors")) == ""


def test_a_file_without_tensors_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "empty.safetensors"
    path.write_bytes(save({}))
    assert safetensors.fault(path) == ""


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = make_weights(tmp_path / "a.safetensors")
    for size in [*range(path.stat().st_size - 1, 600, -311), *range(600, -1, -1)]:
        cut(path, size)
        assert safetensors.fault(path).startswith(f"{path}: "), size


def test_the_sentence_says_what_is_missing(tmp_path: Path) -> None:
    path = make_weights(tmp_path / "a.safetensors")
    whole = path.stat().st_size
    cut(path, whole - 1)
    assert (
        safetensors.fault(path)
        == f"{path}: is {whole - 1} bytes long where its header promises {whole}: the save was cut short"
    )


def test_a_file_that_goes_on_behind_its_last_tensor_is_damaged(tmp_path: Path) -> None:
    path = make_weights(tmp_path / "a.safetensors")
    with path.open("ab") as file:
        file.write(b"\0")
    assert "header promises" in safetensors.fault(path)


def test_a_sparse_tail_of_the_right_size_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    header = json.dumps({"w": {"dtype": "U8", "shape": [1 << 20], "data_offsets": [0, 1 << 20]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\1" * (1 << 19))
    os.truncate(path, 8 + len(header) + (1 << 20))
    with path.open("rb") as file:
        if os.lseek(file.fileno(), 0, os.SEEK_HOLE) == path.stat().st_size:
            pytest.skip("this file system does not tell holes")
    assert "has a hole at byte" in safetensors.fault(path)


def test_a_header_longer_than_the_format_allows_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    assert "more than the format allows" in safetensors.fault(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"nonsense",
        b'{"w": 1}',
        b'{"w": {"data_offsets": [0]}}',
        b'{"w": {"data_offsets": "no"}}',
        b'{"\xff": {}}',
        b"\0" * 64,
        b"[" * 100_000,
    ],
    ids=["list", "text", "number", "one-offset", "text-offset", "not-utf8", "zeros", "deep"],
)
def test_a_header_that_is_none_is_damaged(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert safetensors.fault(path) == f"{path}: has a header that is not safetensors: it is damaged"


@pytest.mark.parametrize("name", ["absent.safetensors", "."])
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    assert "cannot be read: " in safetensors.fault(tmp_path / name)


@given(st.binary(max_size=200))
def test_any_bytes_get_an_answer(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(content)
    assert isinstance(safetensors.fault(path), str)
