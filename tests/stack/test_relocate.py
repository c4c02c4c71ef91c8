"""Debian's Alertmanager, unpacked instead of installed."""

import subprocess
from pathlib import Path

import pytest

from trainwarden.errors import StackError
from trainwarden.stack.relocate import FIXED, RELATIVE, relocate_alertmanager


def put_program(root: Path, content: bytes) -> Path:
    binary = root / "usr/bin/prometheus-alertmanager"
    binary.parent.mkdir(parents=True)
    binary.write_bytes(content)
    binary.chmod(0o755)
    return binary


def test_names_are_of_one_length_and_mean_the_same_folder() -> None:
    assert len(RELATIVE) == len(FIXED)
    assert Path("/") / RELATIVE.decode() == Path(FIXED.decode())


def test_only_the_folders_own_name_becomes_relative(tmp_path: Path) -> None:
    binary = put_program(tmp_path, b"#!/bin/sh\n# bytes" + FIXED + b"355271 " + FIXED + b"/ui/111\n")
    relocate_alertmanager(tmp_path)
    assert binary.read_bytes() == b"#!/bin/sh\n# bytes" + RELATIVE + b"355271 " + FIXED + b"/ui/111\n"


def test_it_is_started_from_its_own_root_with_the_same_arguments(tmp_path: Path) -> None:
    put_program(tmp_path, b'#!/bin/sh\npwd; printf "%s|" "$@"\n#' + FIXED)
    relocate_alertmanager(tmp_path)
    start = [tmp_path / "usr/bin/alertmanager", "--config.file=/a b.yml", "--cluster.listen-address="]
    done = subprocess.run(start, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path}\n--config.file=/a b.yml|--cluster.listen-address=|"


@pytest.mark.parametrize("content", [b"nothing", FIXED + b"0" + FIXED + b"1", FIXED + b"/ui/"])
def test_a_program_that_we_do_not_know_is_left_alone(tmp_path: Path, content: bytes) -> None:
    binary = put_program(tmp_path, content)
    with pytest.raises(StackError, match="does not read its templates as Debian's Alertmanager is known to"):
        relocate_alertmanager(tmp_path)
    assert binary.read_bytes() == content
    assert not (tmp_path / "usr/bin/alertmanager").exists()
