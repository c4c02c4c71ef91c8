import os
import pickle
import zipfile
from pathlib import Path

import pytest

from tests.checkpoints import scripts
from tests.checkpoints.making import WRITTEN_AT, checkpoint, cut, make_torch
from trainwarden.checkpoints import RECIPES
from trainwarden.errors import CheckpointError, RefusedError
from trainwarden.model import Checkpoint, Resume

LIGHTNING = RECIPES["lightning"]
CLI = ["python", "train.py", "fit", "--config", "c.yaml"]


def make(path: Path, step: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = make_torch(path)
    if step is not None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"epoch": 3, "global_step": step, "state_dict": {}}))
    os.utime(made, (WRITTEN_AT, WRITTEN_AT))
    return made


def names(folder: Path) -> list[tuple[str, int | None]]:
    return [(str(one.path.relative_to(folder)), one.step) for one in LIGHTNING.find(folder, None)]


def resumable(path: Path, step: int | None) -> Checkpoint:
    made = checkpoint(path, None, step=step)
    return Checkpoint(**{f: getattr(made, f) for f in made.__struct_fields__} | {"resumable": True})


def test_the_furthest_step_comes_first_in_whichever_version_it_lies(tmp_path: Path) -> None:
    make(tmp_path / "lightning_logs/version_0/checkpoints/epoch=1-step=20.ckpt")
    make(tmp_path / "lightning_logs/version_1/checkpoints/epoch=2-step=30.ckpt")
    make(tmp_path / "lightning_logs/version_1/checkpoints/epoch=2-step=30-v1.ckpt")
    make(tmp_path / "lightning_logs/other/checkpoints/epoch=9-step=90.ckpt")
    make(tmp_path / "checkpoints/epoch=0-step=10.ckpt")
    make(tmp_path / "best-epoch=00-val_loss=0.31-step=5.ckpt")
    make(tmp_path / "weights.pt")
    assert names(tmp_path) == [
        ("lightning_logs/version_1/checkpoints/epoch=2-step=30.ckpt", 30),
        ("lightning_logs/version_1/checkpoints/epoch=2-step=30-v1.ckpt", 30),
        ("lightning_logs/version_0/checkpoints/epoch=1-step=20.ckpt", 20),
        ("checkpoints/epoch=0-step=10.ckpt", 10),
        ("best-epoch=00-val_loss=0.31-step=5.ckpt", 5),
    ]


def test_last_stands_where_what_it_holds_says(tmp_path: Path) -> None:
    make(tmp_path / "epoch=1-step=20.ckpt")
    make(tmp_path / "last.ckpt", 25)
    make(tmp_path / "mine.ckpt", 15)
    assert names(tmp_path) == [("last.ckpt", 25), ("epoch=1-step=20.ckpt", 20), ("mine.ckpt", 15)]


def test_one_that_does_not_tell_its_step_is_behind_all_others(tmp_path: Path) -> None:
    make(tmp_path / "epoch=1-step=20.ckpt")
    cut(make(tmp_path / "last.ckpt", 25), 20)
    assert names(tmp_path) == [("epoch=1-step=20.ckpt", 20), ("last.ckpt", None)]


def test_a_link_is_what_it_points_to_and_a_broken_one_is_nothing(tmp_path: Path) -> None:
    make(tmp_path / "epoch=1-step=20.ckpt", 20)
    (tmp_path / "last.ckpt").symlink_to("epoch=1-step=20.ckpt")
    (tmp_path / "last-v1.ckpt").symlink_to("gone.ckpt")
    assert names(tmp_path) == [("last.ckpt", 20), ("epoch=1-step=20.ckpt", 20)]


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    make(tmp_path / "epoch=1-step=20.ckpt")
    (found,) = LIGHTNING.find(tmp_path, None)
    assert LIGHTNING.verify(found) == ""
    cut(found.path, 3000)
    assert LIGHTNING.verify(found).endswith("the save was cut short")


def test_a_sharded_one_is_a_folder_and_not_found(tmp_path: Path) -> None:
    (tmp_path / "epoch=1-step=20.ckpt").mkdir()
    assert names(tmp_path) == []


def test_an_absent_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no such checkpoint folder"):
        LIGHTNING.find(tmp_path / "none", None)


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [([], "."), (["--trainer.default_root_dir", "out"], "out"), (["--default_root_dir=out"], "out")],
)
def test_the_folder_is_lightnings(tmp_path: Path, arguments: list[str], folder: str) -> None:
    assert LIGHTNING.settings([*CLI, *arguments], tmp_path).folder == tmp_path / folder


def test_a_resume_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(scripts.LIGHTNING_CLI)
    path = tmp_path / "last.ckpt"
    resumed = LIGHTNING.resume_command([*CLI, "--ckpt_path=last"], tmp_path, resumable(path, 20))
    assert resumed == [*CLI, "--ckpt_path", str(path)]
    assert LIGHTNING.resumed_from(resumed) == Resume(str(path), None, None)
    assert LIGHTNING.resumed_from([*CLI, "--ckpt_path", "a/epoch=1-step=20.ckpt"]) == Resume(
        "a/epoch=1-step=20.ckpt", None, 20
    )


def test_the_last_step_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(scripts.LIGHTNING_CLI)
    with pytest.raises(RefusedError, match="holds the last of 20 steps"):
        LIGHTNING.resume_command([*CLI, "--trainer.max_steps", "20"], tmp_path, resumable(tmp_path / "last.ckpt", 20))
