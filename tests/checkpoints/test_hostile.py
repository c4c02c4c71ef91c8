"""Whatever lies in a checkpoint folder: an answer, no exception, in bounded time and memory.

A reader is handed random bytes, and whole files that were cut, flipped and spliced; then files made to be expensive.
"""

import os
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checkpoints import test_hf as hf
from tests.checkpoints.making import make_parts, make_state, make_torch, make_weights
from trainwarden.checkpoints import RECIPES, picklehead, safetensors, script, torchzip
from trainwarden.checkpoints.base import Found
from trainwarden.checkpoints.catalog import Catalog

MIB = 1 << 20
BIG = 5 << 30

READERS: list[Callable[[Path], object]] = [
    safetensors.fault,
    torchzip.fault,
    script.read,
    lambda path: picklehead.numbers(path, {"epoch", "global_step"}),
]
FOLDERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "kohya": ("tiny-000002-state", lambda parent: make_state(parent / "tiny-000002-state", 2)),
    "hf": ("checkpoint-500", lambda parent: hf.make(parent, 500)),
    "accelerate": (
        "step_10",
        lambda parent: make_parts(
            parent / "step_10", ("model.safetensors.index.json", "optimizer.bin", "random_states_0.pkl")
        ),
    ),
}

PATCH = st.tuples(st.integers(0), st.binary(min_size=1, max_size=12))
"""Where (taken around the file's length), and what is written there."""
DAMAGE = st.tuples(st.lists(PATCH, max_size=4), st.none() | st.integers(0))
"""What is written over, and where it is cut then."""
FREELY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def damage(content: bytes, how: tuple[list[tuple[int, bytes]], int | None]) -> bytes:
    damaged = bytearray(content)
    patches, size = how
    for place, patch in patches:
        at = place % len(damaged)
        damaged[at : at + len(patch)] = patch
    return bytes(damaged if size is None else damaged[: size % len(damaged)])


@contextmanager
def bounded(seconds: float, memory: int) -> Iterator[None]:
    """Fail where more time or memory is taken."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        taken, (_, peak) = time.process_time() - begin, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < seconds, f"{taken} s"
    assert peak < memory, f"{peak / MIB} MiB"


@FREELY
@given(st.binary(max_size=600) | st.builds(lambda end: b"\0" * 100 + b"PK\5\6" + end, st.binary(max_size=60)))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any.bin"
    path.write_bytes(content)
    for read in READERS:
        read(path)


@FREELY
@given(DAMAGE)
@pytest.mark.parametrize("make", [make_weights, make_torch])
def test_any_damage_to_a_whole_file(tmp_path: Path, make: Callable[[Path], Path], how: tuple) -> None:  # type: ignore[type-arg]
    path = tmp_path / "damaged.bin"
    path.write_bytes(damage(make(tmp_path / "whole.bin").read_bytes(), how))
    for read in READERS:
        read(path)


@FREELY
@given(st.data(), DAMAGE)
@pytest.mark.parametrize("recipe", FOLDERS)
def test_any_damage_within_a_folder(
    tmp_path_factory: pytest.TempPathFactory,
    recipe: str,
    data: st.DataObject,
    how: tuple,  # type: ignore[type-arg]
) -> None:
    parent = tmp_path_factory.mktemp("any")
    folder = FOLDERS[recipe][1](parent)
    files = sorted(folder.iterdir())
    victim = data.draw(st.sampled_from(files))
    victim.write_bytes(damage(victim.read_bytes(), how))
    (checkpoint,) = Catalog(RECIPES[recipe], parent, "tiny", settle=0.0).list(0.0)
    assert checkpoint.path == str(folder)


@pytest.mark.parametrize("recipe", FOLDERS)
@pytest.mark.parametrize("content", [b"[" * MIB, b'{"a":' * 200_000, b"\xff\xfe" * 1000, b"1" * 100_000, b"null", b""])
def test_json_of_any_depth_and_kind(tmp_path: Path, recipe: str, content: bytes) -> None:
    folder = FOLDERS[recipe][1](tmp_path)
    for path in folder.glob("*.json"):
        path.write_bytes(content)
    found = Found(folder, 2, 500, final=False, resumable=True)
    with bounded(seconds=2, memory=20 * MIB):
        assert RECIPES[recipe].verify(found) != ""


def sparse(path: Path, size: int, end: bytes) -> Path:
    """A file of that size, all hole but its end."""
    with path.open("wb") as file:
        file.truncate(size - len(end))
        file.seek(0, os.SEEK_END)
        file.write(end)
    return path


def zip_end(records: int, size: int, offset: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, records & 0xFFFF, records & 0xFFFF, size, offset, 0)


@pytest.mark.parametrize("size", [torchzip.MAX_DIRECTORY, 4_000_000_000])
def test_a_directory_that_claims_most_of_a_large_file_is_not_read(tmp_path: Path, size: int) -> None:
    path = sparse(tmp_path / "a.bin", BIG, b"")
    with path.open("r+b") as file:
        file.seek(BIG - 22)
        file.write(zip_end(9, size, min(BIG - 22 - size, 0xFFFFFFFE)))
    with bounded(seconds=1, memory=MIB):
        assert torchzip.fault(path) != ""


def test_a_directory_of_very_many_records_makes_no_object_of_each(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    record = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 9, 8, *[0] * 6) + b"data.pkl"
    many = 60_000
    content = record * many
    path.write_bytes(b"\0" * 64 + content + zip_end(many, len(content), 64))
    with bounded(seconds=5, memory=2 * len(content)):
        assert torchzip.fault(path) == ""


def test_an_archive_that_would_unpack_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (200 * MIB))
    with bounded(seconds=1, memory=MIB):
        torchzip.fault(path)
        assert picklehead.numbers(path, {"epoch"}) == {}


@pytest.mark.parametrize("length", [1 << 63, safetensors.MAX_HEADER + 1, safetensors.MAX_HEADER])
def test_a_header_length_that_lies_is_not_read(tmp_path: Path, length: int) -> None:
    path = sparse(tmp_path / "a.safetensors", BIG, b"")
    with path.open("r+b") as file:
        file.write(length.to_bytes(8, "little"))
    with bounded(seconds=1, memory=MIB):
        assert safetensors.fault(path) != ""


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to itself"])
def test_what_is_no_file_does_not_hold_a_reader(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.bin"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    for fault in (safetensors.fault, torchzip.fault):
        assert fault(path).startswith(f"{path}: cannot be read: ")
    assert script.read(path) is None
    assert picklehead.numbers(path, {"epoch"}) == {}


@pytest.mark.parametrize("recipe", FOLDERS)
def test_a_pipe_among_a_checkpoints_files_does_not_hold_it(tmp_path: Path, recipe: str) -> None:
    folder = FOLDERS[recipe][1](tmp_path)
    os.mkfifo(folder / "zz.bin")
    assert RECIPES[recipe].verify(Found(folder, 2, 500, final=False, resumable=True)) != ""


@pytest.mark.parametrize("recipe", FOLDERS)
@pytest.mark.parametrize("target", ["link", "nowhere"])
def test_a_link_that_leads_nowhere_hides_no_checkpoint(tmp_path: Path, recipe: str, target: str) -> None:
    folder = FOLDERS[recipe][1](tmp_path)
    for place in (tmp_path, folder):
        (place / "link").symlink_to(target)
    (checkpoint,) = Catalog(RECIPES[recipe], tmp_path, "tiny", settle=0.0).list(0.0)
    assert checkpoint.path == str(folder)
