from pathlib import Path

import pytest

from tests.checkpoints import scripts
from trainwarden.checkpoints import script
from trainwarden.checkpoints.accelerate import AccelerateRecipe
from trainwarden.checkpoints.hf import HfRecipe
from trainwarden.checkpoints.lightning import LightningRecipe

HF, LIGHTNING, ACCELERATE = HfRecipe(), LightningRecipe(), AccelerateRecipe()


@pytest.mark.parametrize(
    ("recipe", "text", "more", "hears"),
    [
        (HF, scripts.HF, [], True),
        (HF, scripts.HF_DEAF, [], False),
        (HF, scripts.HF_ALWAYS, [], False),
        (HF, scripts.HF_OWN_CHOICE, [], False),
        (HF, scripts.HF_WITHOUT_OPTIONS, [], False),
        (HF, scripts.LIGHTNING_CLI, ["fit"], False),
        (LIGHTNING, scripts.LIGHTNING_CLI, ["fit"], True),
        (LIGHTNING, scripts.LIGHTNING_CLI, [], False),
        (LIGHTNING, scripts.LIGHTNING_CLI_THAT_DOES_NOT_RUN, ["fit"], False),
        (LIGHTNING, scripts.LIGHTNING, [], True),
        (LIGHTNING, scripts.LIGHTNING_DEAF, [], False),
        (ACCELERATE, scripts.ACCELERATE, [], True),
        (ACCELERATE, scripts.ACCELERATE_DEAF, [], False),
        (HF, "def broken(:", [], False),
        (HF, "(" * 100_000, [], False),
        (HF, "x = 1\0", [], False),
    ],
)
def test_only_a_script_that_hands_the_checkpoint_on_is_resumed(
    tmp_path: Path, recipe: HfRecipe, text: str, more: list[str], hears: bool
) -> None:
    (tmp_path / "train.py").write_text(text)
    problem = recipe.settings(["python", "train.py", *more], tmp_path).problem
    assert (problem == "") is hears
    if not hears:
        assert problem.startswith("train.py does not show that --")
        assert problem.endswith("declare so in runs.NAME.resume of trainwarden.yml")


@pytest.mark.parametrize("command", [["python", "-m", "train"], ["./train"], ["bash", "train.sh"], ["python", "no.py"]])
def test_a_script_that_cannot_be_read_is_not_trusted(tmp_path: Path, command: list[str]) -> None:
    assert "does not show that --resume_from_checkpoint" in HF.settings(command, tmp_path).problem


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["python", "train.py", "--a", "b.py"], ["--a", "b.py"]),
        (["accelerate", "launch", "--config_file", "c.yaml", "train.py", "--a"], ["--a"]),
        (["python", "-m", "accelerate.commands.launch", "train.py", "--a"], ["--a"]),
        (["python", "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "train", "--a"], ["--a"]),
        (["./train", "--a"], ["--a"]),
    ],
)
def test_the_trainers_arguments_stand_behind_its_script(command: list[str], arguments: list[str]) -> None:
    parts = script.split(command)
    assert parts.arguments == arguments
    assert [*parts.launcher, *parts.arguments] == command
