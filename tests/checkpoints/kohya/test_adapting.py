"""Kohya's settings with less need: what is in force, and the command and file derived from the user's."""

from pathlib import Path

import pytest

from trainwarden.checkpoints.kohya.adapting import KohyaAdapter
from trainwarden.checkpoints.kohya.settings import read_options
from trainwarden.errors import RefusedError

FILE = """\
# luca, third attempt
[training]
vae_batch_size = 2  # 4 ran out at night
output_dir = "out"

[memory]
lowram = false
"""
COMMAND = ["accelerate", "launch", "--num_processes=1", "train_network.py", "--config_file", "luca.toml"]


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    (tmp_path / "luca.toml").write_text(FILE)
    return tmp_path


def test_in_force_is_what_the_file_says_with_the_trainers_own_defaults(cwd: Path) -> None:
    assert KohyaAdapter().in_force([*COMMAND, "--gradient_accumulation_steps=6", "--gradient_checkpointing"], cwd) == {
        "max_data_loader_n_workers": 8,
        "vae_batch_size": 2,
        "gradient_accumulation_steps": 6,
        "persistent_data_loader_workers": False,
        "lowram": False,
        "cache_latents_to_disk": False,
        "gradient_checkpointing": True,
    }


def test_several_processes_keep_their_accumulation(cwd: Path) -> None:
    several = ["accelerate", "launch", "--num_processes=2", *COMMAND[3:]]
    assert "gradient_accumulation_steps" not in KohyaAdapter().in_force(several, cwd)


def test_the_derived_file_keeps_every_comment_and_the_users_own_is_not_touched(cwd: Path) -> None:
    target = cwd / "adapted.2.toml"
    argv, text = KohyaAdapter().derive(COMMAND, cwd, {"vae_batch_size": 1, "lowram": True}, target)
    assert argv == [*COMMAND[:-1], str(target)]
    assert text == FILE.replace("vae_batch_size = 2", "vae_batch_size = 1").replace("lowram = false", "lowram = true")
    assert (cwd / "luca.toml").read_text() == FILE
    assert not target.exists()


def test_a_setting_that_the_file_does_not_have_is_added_where_it_counts(cwd: Path) -> None:
    target = cwd / "adapted.2.toml"
    argv, text = KohyaAdapter().derive(COMMAND, cwd, {"cache_latents_to_disk": True}, target)
    target.write_text(text)
    assert read_options(argv[4:], cwd).switch("cache_latents_to_disk")


def test_what_the_command_line_says_of_the_same_settings_would_win_and_is_dropped(cwd: Path) -> None:
    command = [*COMMAND, "--vae_batch_size", "4", "--persistent_data_loader_workers", "--seed", "7"]
    values = {"vae_batch_size": 1, "persistent_data_loader_workers": False}
    argv, _ = KohyaAdapter().derive(command, cwd, values, cwd / "a.toml")
    assert argv == [*COMMAND[:4], "--seed", "7", "--config_file", str(cwd / "a.toml")]


def test_a_command_without_a_file_gets_one(tmp_path: Path) -> None:
    argv, text = KohyaAdapter().derive(
        ["train_network.py", "--seed=7"], tmp_path, {"lowram": True}, tmp_path / "a.toml"
    )
    assert (argv[-2:], text.strip()) == (["--config_file", str(tmp_path / "a.toml")], "lowram = true")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert KohyaAdapter().in_force(COMMAND, tmp_path) == {}
    with pytest.raises(RefusedError, match="mend --config_file"):
        KohyaAdapter().derive(COMMAND, tmp_path, {"lowram": True}, tmp_path / "a.toml")
