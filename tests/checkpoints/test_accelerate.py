import os
from pathlib import Path

import pytest

from tests.checkpoints import scripts
from tests.checkpoints.making import WRITTEN_AT, checkpoint, cut, make_parts
from trainwarden.checkpoints import RECIPES
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import Checkpoint, Resume, ResumeTemplate

ACCELERATE = RECIPES["accelerate"]
WRITE_ORDER = ("model.safetensors", "optimizer.bin", "scheduler.bin", "random_states_0.pkl")
COMMAND = ["accelerate", "launch", "train.py", "--output_dir", "out"]


def make(path: Path, names: tuple[str, ...] = WRITE_ORDER, at: float = WRITTEN_AT) -> Path:
    return make_parts(path, names, at)


def fault(path: Path) -> str:
    (found,) = [one for one in ACCELERATE.find(path.parent, None) if one.path == path]
    return ACCELERATE.verify(found)


def resumable(path: Path, step: int | None = None) -> Checkpoint:
    made = checkpoint(path, None, step=step)
    return Checkpoint(**{f: getattr(made, f) for f in made.__struct_fields__} | {"resumable": True})


def test_one_kind_is_ordered_by_its_number(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        make(tmp_path / f"checkpoint-{number}", at=WRITTEN_AT - number)
    found = ACCELERATE.find(tmp_path, None)
    assert [(one.path.name, one.step) for one in found] == [
        ("checkpoint-10", 10),
        ("checkpoint-2", 2),
        ("checkpoint-1", 1),
    ]


def test_several_kinds_are_ordered_by_time(tmp_path: Path) -> None:
    for age, name in enumerate(("step_30", "epoch_0", "step_20")):
        make(tmp_path / name, at=WRITTEN_AT - 100 * age)
    (tmp_path / "step_20/note.txt").write_text("laid here since")
    found = ACCELERATE.find(tmp_path, None)
    assert [(one.path.name, one.step) for one in found] == [("step_30", 30), ("epoch_0", None), ("step_20", 20)]


def test_automatic_names_lie_a_folder_deeper_and_tell_no_step(tmp_path: Path) -> None:
    make(tmp_path / "checkpoints/checkpoint_3")
    (found,) = ACCELERATE.find(tmp_path, None)
    assert (found.path, found.step) == (tmp_path / "checkpoints/checkpoint_3", None)


@pytest.mark.parametrize(
    "names",
    [
        WRITE_ORDER,
        ("pytorch_model.bin", "optimizer.bin", "scheduler.bin", "random_states_0.pkl"),
        ("model.safetensors", "optimizer.bin", "random_states_0.pkl", "random_states_1.pkl"),
        ("pytorch_lora_weights.safetensors", "optimizer.bin", "scheduler.bin", "sampler.bin", "random_states_0.pkl"),
        (*WRITE_ORDER, "custom_checkpoint_0.pkl"),
    ],
)
def test_whole_ones(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert fault(make(tmp_path / "step_10", names)) == ""


def test_weights_may_lie_where_a_hook_puts_them(tmp_path: Path) -> None:
    made = make(tmp_path / "checkpoint-10", ("optimizer.bin", "scheduler.bin", "random_states_0.pkl"))
    assert fault(made) == f"{made}: holds no weights: the save was cut short"
    make(made / "unet", ("diffusion_pytorch_model.safetensors",), WRITTEN_AT - 10)
    assert fault(made) == ""
    cut(made / "unet/diffusion_pytorch_model.safetensors", 700)
    assert "diffusion_pytorch_model.safetensors: is 700 bytes long" in fault(made)


@pytest.mark.parametrize("name", ["optimizer.bin", "random_states_0.pkl"])
def test_each_file_must_be_there(tmp_path: Path, name: str) -> None:
    made = make(tmp_path / "step_10")
    (made / name).unlink()
    assert fault(made) == f"{made}: {name} missing: the save was cut short"


@pytest.mark.parametrize("name", WRITE_ORDER)
def test_each_file_must_be_whole(tmp_path: Path, name: str) -> None:
    made = make(tmp_path / "step_10")
    cut(made / name, 100)
    assert fault(made).startswith(f"{made / name}: ")


@pytest.mark.parametrize("written", range(1, 5))
def test_a_save_over_an_older_one_that_was_cut_short(tmp_path: Path, written: int) -> None:
    made = make(tmp_path / "step_10")
    for place in range(written):
        os.utime(made / WRITE_ORDER[place], (WRITTEN_AT + 60 + place, WRITTEN_AT + 60 + place))
    assert ("is older than the file written before it" in fault(made)) is (written < len(WRITE_ORDER))


def test_what_the_script_registers_itself_may_be_declared(tmp_path: Path) -> None:
    resume = ResumeTemplate(arguments=["--resume", "{checkpoint}"], complete=["custom_checkpoint_0.pkl"])
    make(tmp_path / "step_10")
    recipe = ACCELERATE.declared(resume)
    (found,) = recipe.find(tmp_path, None)
    assert "custom_checkpoint_0.pkl missing" in recipe.verify(found)


@pytest.mark.parametrize("name", ["pytorch_model_fsdp_0", "pytorch_model", "optimizer_0"])
def test_a_sharded_one_is_not_gone_on_from(tmp_path: Path, name: str) -> None:
    (tmp_path / "step_10" / name).mkdir(parents=True)
    (found,) = ACCELERATE.find(tmp_path, None)
    assert (found.resumable, ACCELERATE.verify(found)) == (False, "")


def test_a_resume_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(scripts.ACCELERATE)
    path = tmp_path / "out/checkpoint-10"
    resumed = ACCELERATE.resume_command([*COMMAND, "--resume_from_checkpoint", "latest"], tmp_path, resumable(path))
    assert resumed == [*COMMAND, "--resume_from_checkpoint", str(path)]
    assert ACCELERATE.resumed_from(resumed) == Resume(str(path), None, 10)
    assert ACCELERATE.resumed_from([*COMMAND, "--resume_from_checkpoint=latest"]) == Resume("latest", None, None)


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("checkpoint-10", ["--max_train_steps", "10"], "holds the last of 10 steps"),
        ("epoch_2", ["--num_train_epochs=3"], "holds the last of 3 epochs"),
    ],
)
def test_the_last_step_is_refused(tmp_path: Path, name: str, arguments: list[str], sentence: str) -> None:
    (tmp_path / "train.py").write_text(scripts.ACCELERATE)
    with pytest.raises(RefusedError, match=sentence):
        ACCELERATE.resume_command([*COMMAND, *arguments], tmp_path, resumable(tmp_path / "out" / name))
    earlier = resumable(tmp_path / "out" / name.replace("10", "9").replace("2", "1"))
    assert ACCELERATE.resume_command([*COMMAND, *arguments], tmp_path, earlier)


def test_its_names_are_not_declared() -> None:
    with pytest.raises(ConfigurationError, match="recipe accelerate knows its files"):
        ACCELERATE.declared(ResumeTemplate(arguments=["--r", "{checkpoint}"], glob="step_{step}/"))
