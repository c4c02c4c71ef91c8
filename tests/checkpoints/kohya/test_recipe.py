import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.checkpoints.making import WRITTEN_AT, checkpoint, cut, make_state, make_torch, make_weights, snapshot
from trainwarden.checkpoints import RECIPES
from trainwarden.errors import RefusedError
from trainwarden.model import Resume

KOHYA = RECIPES["kohya"]
TRAIN = ["python", "train_network.py"]


@pytest.fixture(autouse=True)
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))


def resume(cwd: Path, command: list[str], epoch: int = 4, step: int | None = None) -> list[str]:
    return KOHYA.resume_command(command, cwd, checkpoint(cwd / f"tiny-{epoch:06d}-state", epoch, step=step))


def test_resume_appends_state_and_next_epoch(tmp_path: Path) -> None:
    state = str(tmp_path / "tiny-000004-state")
    command = [*TRAIN, "--output_name", "tiny", "--seed=1"]
    assert resume(tmp_path, command) == [*command, "--resume", state, "--initial_epoch", "5"]


@pytest.mark.parametrize(
    "old",
    [
        ["--resume", "out/tiny-000002-state"],
        ["--resume=out/tiny-000002-state", "--initial_epoch=3"],
        ["--resume", "a", "--initial_epoch", "3", "--initial_step", "20", "--skip_until_initial_step"],
        ["--skip_until_initial_step", "--initial_step=20"],
    ],
)
def test_resume_takes_the_place_of_an_earlier_one(tmp_path: Path, old: list[str]) -> None:
    fresh = [*TRAIN, "--output_name", "tiny", "--save_state"]
    assert resume(tmp_path, [*TRAIN, *old, *fresh[2:]]) == resume(tmp_path, fresh)
    assert resume(tmp_path, [*fresh, *old]) == resume(tmp_path, fresh)


def test_what_only_looks_like_a_resume_is_kept(tmp_path: Path) -> None:
    command = [
        *TRAIN,
        "--resume_from_huggingface",
        "--initial_epochs",
        "3",
        "--network_args",
        "resume=1",
        "--x=--resume",
    ]
    assert resume(tmp_path, command)[: len(command)] == command


def test_launcher_options_are_not_the_trainers(tmp_path: Path) -> None:
    command = ["accelerate", "launch", "--num_processes", "1", "--resume", "x", "train_network.py"]
    assert resume(tmp_path, command)[: len(command)] == command


@pytest.mark.parametrize("launcher", ["accelerate launch --num_processes 2", "torchrun --nproc_per_node=2"])
def test_several_processes_are_told_the_step(tmp_path: Path, launcher: str) -> None:
    command = [*launcher.split(), "train_network.py"]
    assert resume(tmp_path, command, step=80)[-2:] == ["--initial_step", "80"]
    with pytest.raises(RefusedError, match="with 2 processes the trainer must be told the step"):
        resume(tmp_path, command)


def test_an_unknown_number_of_processes_is_told_the_step_where_it_is_known(tmp_path: Path) -> None:
    command = ["accelerate", "launch", "train_network.py"]
    assert resume(tmp_path, command, step=80)[-2:] == ["--initial_step", "80"]
    assert resume(tmp_path, command)[-2:] == ["--initial_epoch", "5"]


class TestRefusals:
    @pytest.mark.parametrize("name", ["tiny-000004.safetensors", "tiny-step00000030-state"])
    def test_weights_and_states_between_epochs(self, tmp_path: Path, name: str) -> None:
        epoch = 4 if name.endswith(".safetensors") else None
        with pytest.raises(RefusedError, match="is not the state of an epoch"):
            KOHYA.resume_command(TRAIN, tmp_path, checkpoint(tmp_path / name, epoch))

    def test_the_final_state(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="nothing is left to resume"):
            KOHYA.resume_command(TRAIN, tmp_path, checkpoint(tmp_path / "tiny-state", None, final=True))

    @pytest.mark.parametrize("in_file", [False, True])
    def test_the_state_of_the_last_epoch(self, tmp_path: Path, in_file: bool) -> None:
        (tmp_path / "c.toml").write_text("[a]\nmax_train_epochs = 4\n")
        more = ["--config_file", "c"] if in_file else ["--max_train_epochs=4"]
        with pytest.raises(RefusedError, match="holds the last of 4 epochs"):
            resume(tmp_path, [*TRAIN, *more])

    @pytest.mark.parametrize("suffix", [".safetensors", ".ckpt"])
    def test_a_training_that_has_ended(self, tmp_path: Path, suffix: str) -> None:
        make = make_weights if suffix == ".safetensors" else make_torch
        make(tmp_path / f"tiny{suffix}", WRITTEN_AT + 60)
        with pytest.raises(RefusedError, match=rf"tiny\{suffix}: is whole and newer than .*: the training has ended"):
            resume(tmp_path, [*TRAIN, "--output_name", "tiny"])

    def test_not_the_final_file_of_an_earlier_run(self, tmp_path: Path) -> None:
        make_weights(tmp_path / "tiny.safetensors", WRITTEN_AT - 60)
        assert resume(tmp_path, [*TRAIN, "--output_name", "tiny"])

    def test_not_a_final_file_that_was_cut_short(self, tmp_path: Path) -> None:
        cut(make_weights(tmp_path / "tiny.safetensors", WRITTEN_AT + 60), 700)
        assert resume(tmp_path, [*TRAIN, "--output_name", "tiny"])

    def test_a_file_whose_switch_cannot_be_undone(self, tmp_path: Path) -> None:
        (tmp_path / "c.toml").write_text("skip_until_initial_step = true\n")
        with pytest.raises(RefusedError, match=r"c\.toml: skip_until_initial_step"):
            resume(tmp_path, [*TRAIN, "--config_file", "c.toml"])

    def test_a_script_around_the_trainer(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="not a script that wraps it"):
            resume(tmp_path, ["bash", "train.sh"])


@pytest.mark.parametrize(
    ("arguments", "resumed"),
    [
        ([], None),
        (["--initial_epoch", "3"], None),
        (["--resume", "o/tiny-000004-state", "--initial_epoch", "3"], Resume("o/tiny-000004-state", 2, None)),
        (["--resume=o/tiny-000004-state"], Resume("o/tiny-000004-state", 4, None)),
        (["--resume", "o/tiny-000004-state", "--initial_step=80"], Resume("o/tiny-000004-state", 4, 80)),
        (["--resume", "o/tiny-state"], Resume("o/tiny-state", None, None)),
    ],
)
def test_a_command_tells_from_where_it_resumes(arguments: list[str], resumed: Resume | None) -> None:
    assert KOHYA.resumed_from([*TRAIN, *arguments]) == resumed


def test_a_resumed_command_tells_from_where_it_resumes(tmp_path: Path) -> None:
    assert KOHYA.resumed_from(resume(tmp_path, TRAIN)) == Resume(str(tmp_path / "tiny-000004-state"), 4, None)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(
    lambda name: name not in {"resume", "initial_epoch", "initial_step", "skip_until_initial_step", "config_file"}
)
VALUES = WORDS.filter(lambda word: not word.startswith("--"))
ARGUMENTS = st.lists(
    st.one_of(
        NAMES.map(lambda name: [f"--{name}"]),
        st.tuples(NAMES, VALUES).map(lambda pair: [f"--{pair[0]}", pair[1]]),
        st.tuples(NAMES, WORDS).map(lambda pair: [f"--{pair[0]}={pair[1]}"]),
        st.tuples(NAMES, VALUES, VALUES).map(lambda three: [f"--{three[0]}", *three[1:]]),
    ),
    max_size=6,
)
OLD = st.sampled_from(
    [
        ["--resume", "old"],
        ["--resume=old"],
        ["--initial_epoch", "3"],
        ["--initial_step=5"],
        ["--skip_until_initial_step"],
    ]
)


@given(ARGUMENTS, st.lists(OLD, max_size=4), st.data())
def test_a_resume_never_loses_or_moves_an_argument_of_the_user(
    arguments: list[list[str]], old: list[list[str]], data: st.DataObject
) -> None:
    mixed = list(arguments)
    for option in old:
        mixed.insert(data.draw(st.integers(0, len(mixed))), option)
    command = [*TRAIN, *(word for option in mixed for word in option)]
    resumed = KOHYA.resume_command(command, Path("/nowhere"), checkpoint(Path("/nowhere/tiny-000004-state"), 4))
    kept = [word for option in arguments for word in option]
    assert resumed == [*TRAIN, *kept, "--resume", "/nowhere/tiny-000004-state", "--initial_epoch", "5"]


@given(ARGUMENTS, st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_resume_of_a_resume_is_the_later_one(arguments: list[list[str]], first: int, later: int) -> None:
    command = [*TRAIN, *(word for option in arguments for word in option)]
    cwd = Path("/nowhere")
    assert resume(cwd, resume(cwd, command, first), later) == resume(cwd, command, later)


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """The first law: trainwarden changes and deletes no file of the user's."""
    make_state(tmp_path / "tiny-000002-state", 2, WRITTEN_AT - 60)
    cut(make_state(tmp_path / "tiny-000004-state", 4) / "optimizer.bin", 900)
    make_weights(tmp_path / "tiny-000004.safetensors")
    (tmp_path / "tiny.safetensors").touch()
    (tmp_path / "c.toml").write_text('output_name = "tiny"\n')
    before = snapshot(tmp_path)
    os.utime(tmp_path, (WRITTEN_AT, WRITTEN_AT))
    command = [*TRAIN, "--config_file", "c", "--output_dir", str(tmp_path)]
    KOHYA.settings(command, tmp_path)
    faults = {found.path.name: KOHYA.verify(found) for found in KOHYA.find(tmp_path, "tiny")}
    KOHYA.resume_command(command, tmp_path, checkpoint(tmp_path / "tiny-000002-state", 2))
    assert [name for name, fault in faults.items() if not fault] == ["tiny-000004.safetensors", "tiny-000002-state"]
    assert snapshot(tmp_path) == before
    assert tmp_path.stat().st_mtime == WRITTEN_AT
