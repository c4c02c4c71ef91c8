from pathlib import Path

import pytest

from trainwarden.checkpoints import recognise
from trainwarden.checkpoints.kohya import command as line


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))


@pytest.mark.parametrize(
    "launcher",
    [
        "python train_network.py",
        "/venv/bin/python3 -u /srv/sd-scripts/sdxl_train_network.py",
        "./flux_train_network.py",
        "accelerate launch --num_cpu_threads_per_process 1 --mixed_precision=bf16 sd3_train_network.py",
        "python -m accelerate.commands.launch train_network.py",
        "accelerate launch -m sd_scripts.train_network",
        "torchrun --nproc_per_node 1 train_network.py",
        "nice -n 5 uv run python train_network.py",
        "python -m trainwarden.demo",
    ],
)
def test_kohya_is_recognised_behind_any_launcher(launcher: str) -> None:
    command = [*launcher.split(), "--output_dir", "out"]
    assert recognise(command).name == "kohya"
    split = line.split(command)
    assert split is not None
    assert (split.launcher, split.arguments) == (launcher.split(), ["--output_dir", "out"])


@pytest.mark.parametrize(
    "command",
    [
        ["bash", "train.sh"],
        ["bash", "-c", "accelerate launch train_network.py --output_dir out"],
        ["python", "sdxl_train.py"],
        ["python", "my_train_network.py"],
        ["python", "train_network.py.bak"],
        ["python", "-m", "trainwarden.demonstration"],
        ["trainwarden.demo"],
        [],
    ],
)
def test_anything_else_has_no_recipe(command: list[str]) -> None:
    assert recognise(command).name == "none"


@pytest.mark.parametrize(
    ("launcher", "processes"),
    [
        ("python train_network.py", 1),
        ("accelerate launch --num_processes 2 train_network.py", 2),
        ("/venv/bin/accelerate launch --num_processes=1 train_network.py", 1),
        ("accelerate launch train_network.py", None),
        ("accelerate launch --config_file two.yaml train_network.py", 2),
        ("accelerate launch --config_file two.yaml --num_processes 1 train_network.py", 1),
        ("accelerate launch --config_file broken.yaml train_network.py", None),
        ("torchrun train_network.py", 1),
        ("torchrun --nproc-per-node=4 train_network.py", 4),
        ("torchrun --nproc_per_node gpu train_network.py", None),
        ("python -m torch.distributed.run --nproc_per_node 2 train_network.py", 2),
    ],
)
def test_the_number_of_processes_is_the_launchers(tmp_path: Path, launcher: str, processes: int | None) -> None:
    (tmp_path / "two.yaml").write_text("num_processes: 2\n")
    (tmp_path / "broken.yaml").write_text("num_processes: [\n")
    assert line.processes(launcher.split(), tmp_path) == processes


def test_the_number_of_processes_may_stand_in_accelerates_default_file(tmp_path: Path) -> None:
    default = tmp_path / "huggingface/accelerate/default_config.yaml"
    default.parent.mkdir(parents=True)
    default.write_text("num_processes: 3\n")
    assert line.processes(["accelerate", "launch", "train_network.py"], tmp_path) == 3
