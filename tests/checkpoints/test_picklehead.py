import pickle
import zipfile
from pathlib import Path

import pytest

from tests.checkpoints.test_torchzip import Bomb
from trainwarden.checkpoints.picklehead import numbers


def make(path: Path, content: object, protocol: int = 2) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("step", [0, 7, 70_000, 1 << 40])
def test_numbers_are_read_in_every_protocol(tmp_path: Path, protocol: int, step: int) -> None:
    path = make(tmp_path / "a.ckpt", {"epoch": 3, "global_step": step, "state_dict": {"epoch": 9}}, protocol)
    assert numbers(path, {"epoch", "global_step", "absent"}) == {"epoch": 3, "global_step": step}


def test_what_is_no_number_is_not_read(tmp_path: Path) -> None:
    path = make(tmp_path / "a.ckpt", {"epoch": True, "global_step": "7", "x": 1})
    assert numbers(path, {"epoch", "global_step"}) == {}


def test_nothing_in_it_is_carried_out(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    path = make(tmp_path / "a.ckpt", {"global_step": 7, "bomb": Bomb(trap)})
    assert numbers(path, {"global_step"}) == {"global_step": 7}
    assert not trap.exists()


def test_what_is_not_there_tells_nothing(tmp_path: Path) -> None:
    assert numbers(tmp_path / "absent", {"epoch"}) == {}
    (tmp_path / "a.ckpt").write_bytes(b"PK\3\4" + b"\xff" * 40)
    assert numbers(tmp_path / "a.ckpt", {"epoch"}) == {}
