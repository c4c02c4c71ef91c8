from pathlib import Path

import pytest

from trainwarden.checkpoints.kohya.settings import read_settings

TRAIN = ["accelerate", "launch", "--num_processes", "1", "train_network.py"]
GOOD = ["--output_dir", "out", "--output_name=tiny", "--save_state", "--save_every_n_epochs=2"]


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))


def problem(tmp_path: Path, *arguments: str) -> str:
    return read_settings([*TRAIN, *arguments], tmp_path).problem


def test_a_run_that_saves_states_can_be_resumed(tmp_path: Path) -> None:
    settings = read_settings([*TRAIN, *GOOD], tmp_path)
    assert settings.folder == tmp_path / "out"
    assert settings.output_name == "tiny"
    assert settings.problem == ""
    assert settings.warnings == ()


def test_an_absolute_folder_stays_where_it_is(tmp_path: Path) -> None:
    assert read_settings([*TRAIN, "--output_dir=/srv/out/../loras"], tmp_path).folder == Path("/srv/loras")


def test_the_last_of_several_values_counts(tmp_path: Path) -> None:
    assert read_settings([*TRAIN, *GOOD, "--output_name", "other"], tmp_path).output_name == "other"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--save_state", "--save_every_n_epochs", "2"], "no --output_dir"),
        (["--output_dir", "out"], "add --save_state"),
        (["--output_dir", "out", "--save_every_n_epochs", "2"], "add --save_state"),
        (["--output_dir", "out", "--save_state"], "add --save_every_n_epochs 1"),
        (["--output_dir", "out", "--save_state", "--save_every_n_steps", "50"], "between epochs cannot be resumed"),
        ([*GOOD, "--max_train_epochs=2"], "saves no state before the end"),
    ],
)
def test_a_run_that_could_not_be_resumed_is_told_why(tmp_path: Path, arguments: list[str], said: str) -> None:
    assert said in problem(tmp_path, *arguments)


def test_a_script_around_the_trainer_is_told(tmp_path: Path) -> None:
    assert "not a script that wraps it" in read_settings(["bash", "train.sh"], tmp_path).problem


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--save_last_n_epochs", "1"], "--save_last_n_epochs 1 keeps one state only"),
        (["--save_last_n_epochs=3", "--save_last_n_epochs_state=1"], "--save_last_n_epochs_state 1 keeps one"),
        (["--resume", "out/tiny-000002-state"], "--resume without --initial_epoch"),
    ],
)
def test_what_should_be_told_at_launch_is_told(tmp_path: Path, arguments: list[str], said: str) -> None:
    settings = read_settings([*TRAIN, *GOOD, *arguments], tmp_path)
    assert settings.problem == ""
    assert [warning for warning in settings.warnings if said in warning]


def test_more_states_than_weights_are_enough(tmp_path: Path) -> None:
    arguments = [*GOOD, "--save_last_n_epochs=1", "--save_last_n_epochs_state=3"]
    assert read_settings([*TRAIN, *arguments], tmp_path).warnings == ()


def test_several_processes_are_told(tmp_path: Path) -> None:
    command = ["accelerate", "launch", "--num_processes=2", "train_network.py", *GOOD]
    assert "with 2 processes" in read_settings(command, tmp_path).warnings[0]


class TestConfigurationFile:
    @pytest.fixture
    def toml(self, tmp_path: Path) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(
            '[saving]\noutput_dir = "from_file"\noutput_name = "tiny"\nsave_state = true\nsave_every_n_epochs = 2\n'
            "[training]\nmax_train_epochs = 12\n"
        )
        return path

    def test_its_sections_are_flattened(self, tmp_path: Path, toml: Path) -> None:
        settings = read_settings([*TRAIN, "--config_file", toml.name], tmp_path)
        assert (settings.folder, settings.output_name, settings.problem) == (tmp_path / "from_file", "tiny", "")

    def test_its_ending_may_be_left_out(self, tmp_path: Path, toml: Path) -> None:
        assert read_settings([*TRAIN, "--config_file=config"], tmp_path).folder == tmp_path / "from_file"

    def test_the_command_line_wins(self, tmp_path: Path, toml: Path) -> None:
        command = [*TRAIN, "--config_file", str(toml), "--output_dir=line"]
        assert read_settings(command, tmp_path).folder == tmp_path / "line"

    @pytest.mark.parametrize("key", ["skip_until_initial_step = true", "initial_step = 20"])
    def test_what_the_command_line_cannot_undo_is_a_problem(self, tmp_path: Path, toml: Path, key: str) -> None:
        toml.write_text(f"{key}\n{toml.read_text()}")
        said = problem(tmp_path, "--config_file", str(toml))
        assert said.startswith(f"{toml}: {key.partition(' ')[0]}")
        assert said.endswith("remove it")

    def test_a_switch_that_is_off_is_none(self, tmp_path: Path, toml: Path) -> None:
        toml.write_text(f"skip_until_initial_step = false\n{toml.read_text()}".replace("save_state = true", ""))
        assert "add --save_state" in problem(tmp_path, "--config_file", str(toml))

    @pytest.mark.parametrize(
        ("key", "meant"),
        [("save_stat", "save_state"), ("save_every_n_epoch", "save_every_n_epochs"), ("outputdir", "output_dir")],
    )
    def test_a_misspelt_key_is_told(self, tmp_path: Path, toml: Path, key: str, meant: str) -> None:
        toml.write_text(f"{key} = 1\n{toml.read_text()}")
        warnings = read_settings([*TRAIN, "--config_file", str(toml)], tmp_path).warnings
        assert warnings == (f"'{key}' is not an option of the trainer; was '{meant}' meant?",)

    def test_keys_that_look_alike_are_not_misspelt(self, tmp_path: Path, toml: Path) -> None:
        toml.write_text(
            "save_state_on_train_end = true\nsave_every_n_steps = 5\nsave_last_n_steps_state = 3\nmax_train_steps = 9\n"
            'save_model_as = "safetensors"\nsave_precision = "fp16"\n'
            "save_last_n_steps = 9\nresume_from_huggingface = false\n" + toml.read_text()
        )
        assert read_settings([*TRAIN, "--config_file", str(toml)], tmp_path).warnings == ()

    @pytest.mark.parametrize(("text", "said"), [(None, "cannot be read: "), ("a = ", "is not TOML: ")])
    def test_a_file_that_cannot_be_read_is_a_problem(self, tmp_path: Path, text: str | None, said: str) -> None:
        path = tmp_path / "other.toml"
        if text is not None:
            path.write_text(text)
        assert problem(tmp_path, *GOOD, "--config_file", "other.toml").startswith(f"{path}: {said}")

    def test_accelerates_own_is_not_kohyas(self, tmp_path: Path, toml: Path) -> None:
        (tmp_path / "two.yaml").write_text("num_processes: 2\n")
        settings = read_settings(
            ["accelerate", "launch", "--config_file", "two.yaml", "train_network.py", "--config_file", "config.toml"],
            tmp_path,
        )
        assert settings.folder == tmp_path / "from_file"
        assert "with 2 processes" in settings.warnings[0]


def test_the_settings_that_the_guide_speaks_of_are_read_from_command_and_file(tmp_path: Path) -> None:
    lines = ["vae_batch_size = 2", "[training]", "gradient_checkpointing = true", "max_train_epochs = 12"]
    (tmp_path / "luca.toml").write_text("\n".join(lines))
    values = read_settings([*TRAIN, *GOOD, "--config_file", "luca.toml", "--lowram"], tmp_path).values
    assert {name: values[name] for name in ("gradient_checkpointing", "lowram", "cache_latents")} == {
        "gradient_checkpointing": 1,
        "lowram": 1,
        "cache_latents": 0,
    }
    assert (values["vae_batch_size"], values["max_train_epochs"], values["save_every_n_epochs"]) == (2, 12, 2)
    assert "gradient_accumulation_steps" not in values


def test_of_a_file_that_cannot_be_read_no_setting_is_claimed(tmp_path: Path) -> None:
    assert read_settings([*TRAIN, *GOOD, "--config_file", "missing.toml"], tmp_path).values == {}
