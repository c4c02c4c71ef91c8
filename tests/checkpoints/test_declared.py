import os
from pathlib import Path

import pytest

from tests.checkpoints.making import WRITTEN_AT, checkpoint, cut, make_parts, make_torch, make_weights
from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.base import Recipe
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Resume, ResumeTemplate

TORCH = RECIPES["torch"]
ARGUMENTS = ["--resume", "{checkpoint}"]


def declared(glob: str, *complete: str, arguments: list[str] = ARGUMENTS) -> Recipe:
    return TORCH.declared(ResumeTemplate(arguments=arguments, glob=glob, complete=list(complete)))


def names(recipe: Recipe, folder: Path) -> list[tuple[str, int | None, int | None]]:
    return [(one.path.name, one.epoch, one.step) for one in recipe.find(folder, None)]


def test_numbers_in_the_names_order_them(tmp_path: Path) -> None:
    for name in ("run-e2-s5.pt", "run-e2-s30.pt", "run-e10-s1.pt", "run-e3-s.pt", "run-e4-s4.pt.tmp"):
        make_torch(tmp_path / name)
    recipe = declared("run-e{epoch}-s{step}.pt")
    assert names(recipe, tmp_path) == [("run-e10-s1.pt", 10, 1), ("run-e2-s30.pt", 2, 30), ("run-e2-s5.pt", 2, 5)]
    assert recipe.flat


def test_without_numbers_the_newest_comes_first(tmp_path: Path) -> None:
    for age, name in enumerate(("b.pth", "c.pth", "a.pth")):
        make_torch(tmp_path / name, WRITTEN_AT - age)
    recipe = declared("*.pth")
    assert names(recipe, tmp_path) == [("b.pth", None, None), ("c.pth", None, None), ("a.pth", None, None)]
    assert not recipe.flat


def test_what_is_laid_into_an_older_folder_makes_it_no_newer(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old")):
        make_parts(tmp_path / name, ("weights.safetensors", "optimizer.pt"), WRITTEN_AT - 100 * age)
    (tmp_path / "old/note.txt").write_text("laid here since")
    recipe = declared("*/", "weights.safetensors", "optimizer.pt")
    assert [name for name, _, _ in names(recipe, tmp_path)] == ["new", "old"]


def test_a_name_is_taken_letter_by_letter(tmp_path: Path) -> None:
    for name in ("a.b[1]-7.pt", "aXb1-7.pt", "a.b[1]-7xpt"):
        make_torch(tmp_path / name)
    assert names(declared("a.b[?]-{step}.pt"), tmp_path) == [("a.b[1]-7.pt", None, 7)]


def test_a_folder_is_whole_when_what_was_declared_is(tmp_path: Path) -> None:
    recipe = declared("ckpt-{step}/", "weights.safetensors", "optimizer.pt", "done.json")
    made = make_parts(tmp_path / "ckpt-7", ("weights.safetensors", "optimizer.pt", "done.json"))
    (tmp_path / "ckpt-8").touch()
    (found,) = recipe.find(tmp_path, None)
    assert recipe.verify(found) == ""
    os.utime(made / "weights.safetensors", (WRITTEN_AT + 9, WRITTEN_AT + 9))
    assert "is older than the file written before it" in recipe.verify(found)
    cut(made / "optimizer.pt", 100)
    assert recipe.verify(found).startswith(f"{made / 'optimizer.pt'}: has no zip directory")
    (made / "done.json").unlink()
    assert recipe.verify(found) == f"{made}: done.json missing: the save was cut short"


@pytest.mark.parametrize("name", ["c-1.pt", "c-1.pth", "c-1.bin", "c-1.ckpt", "c-1.safetensors"])
def test_a_file_is_verified_by_its_kind(tmp_path: Path, name: str) -> None:
    (make_weights if name.endswith("s") else make_torch)(tmp_path / name)
    recipe = declared(name.replace("1", "{step}"))
    (found,) = recipe.find(tmp_path, None)
    assert recipe.verify(found) == ""
    cut(found.path, 500)
    assert recipe.verify(found).endswith("the save was cut short")


def test_a_resume_is_what_was_declared(tmp_path: Path) -> None:
    arguments = ["--resume", "{checkpoint}", "--start-epoch={epoch}"]
    recipe = declared("e{epoch}.pt", arguments=arguments)
    command = ["torchrun", "--nproc_per_node", "2", "train.py", "--lr", "1", "--start-epoch", "0", "--resume=old"]
    path = tmp_path / "e4.pt"
    resumed = recipe.resume_command(command, tmp_path, checkpoint(path, 4))
    assert resumed == [*command[:6], "--resume", str(path), "--start-epoch=4"]
    assert recipe.resumed_from(resumed) == Resume(str(path), 4, None)
    assert recipe.resumed_from(command) == Resume("old", None, None)
    assert recipe.resumed_from(command[:6]) is None


def test_undeclared_nothing_is_found_and_nothing_resumed(tmp_path: Path) -> None:
    make_torch(tmp_path / "c-1.pt")
    assert TORCH.find(tmp_path, None) == []
    assert "declare their names and its arguments in runs.NAME.resume" in TORCH.settings(["x"], tmp_path).problem
    assert TORCH.resumed_from(["x", "--resume", "c-1.pt"]) is None
    with pytest.raises(RefusedError, match="nothing is known of this trainer's checkpoints"):
        TORCH.resume_command(["x"], tmp_path, checkpoint(tmp_path / "c-1.pt", None))


@pytest.mark.parametrize(
    ("resume", "sentence"),
    [
        (ResumeTemplate(arguments=ARGUMENTS), "resume: recipe torch needs glob"),
        (ResumeTemplate(arguments=ARGUMENTS, glob="c-{step}/"), "a folder needs complete"),
        (ResumeTemplate(arguments=ARGUMENTS, glob="c-{step}.pt", complete=["a"]), "is of folders"),
        (ResumeTemplate(arguments=ARGUMENTS, glob="c-{step}.h5"), "must end in what can be verified"),
    ],
)
def test_what_could_not_be_verified_is_not_declared(resume: ResumeTemplate, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        TORCH.declared(resume)


@pytest.mark.parametrize("name", ["kohya", "none"])
def test_other_recipes_take_no_declaration(name: str) -> None:
    with pytest.raises(ConfigurationError, match="resume: "):
        RECIPES[name].declared(ResumeTemplate(arguments=ARGUMENTS))
