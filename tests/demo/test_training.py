"""The training itself, in this process."""

from pathlib import Path

import pytest

from trainwarden.checkpoints import RECIPES
from trainwarden.checkpoints.catalog import Catalog, newest_valid
from trainwarden.demo import faults
from trainwarden.demo.learner import Learner
from trainwarden.demo.options import parse
from trainwarden.demo.training import train

RUN = ["--max_train_epochs", "6", "--steps_per_epoch", "5", "--save_every_n_epochs", "2", "--save_state"]


def run(folder: Path, *more: str) -> None:
    train(parse(["--output_dir", str(folder), "--output_name", "tiny", *RUN, *more]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return folder


class Killed(BaseException):
    pass


def kill_inside(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(_: object, now: int) -> None:
        if now == step:
            raise Killed

    monkeypatch.setattr(faults, "strike", strike)


def test_it_really_trains() -> None:
    learner = Learner(seed=1, total_steps=200)  # 20 epochs of 10 steps
    losses = [learner.learn(epoch, index) for epoch in range(20) for index in range(10)]
    assert losses[-1] < 0.1 * losses[0]


def test_checkpoints_have_kohyas_names_and_are_whole(undisturbed: Path) -> None:
    checkpoints = Catalog(RECIPES["kohya"], undisturbed, "tiny", settle=0).list(0.0)
    assert {Path(c.path).name: c.reason for c in checkpoints} == {
        "tiny-000002.safetensors": "",
        "tiny-000002-state": "",
        "tiny-000004.safetensors": "",
        "tiny-000004-state": "",
        "tiny-state": "",
        "tiny.safetensors": "",
    }
    assert len(list(undisturbed.iterdir())) == 6


def test_another_seed_gives_another_result(undisturbed: Path, tmp_path: Path) -> None:
    run(tmp_path, "--seed", "7")
    assert (tmp_path / "tiny.safetensors").read_bytes() != (undisturbed / "tiny.safetensors").read_bytes()


@pytest.mark.parametrize("kills", [[11], [20, 20], [14, 25], [25, 24, 30, 29]])
def test_killed_and_resumed_by_the_recipe_it_ends_bit_for_bit_the_same(
    undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: list[int]
) -> None:
    kohya = RECIPES["kohya"]
    command = ["python", "-m", "trainwarden.demo", "--output_dir", str(tmp_path), "--output_name", "tiny", *RUN]
    resumed = command
    for step in kills:
        kill_inside(step, monkeypatch)
        with pytest.raises(Killed):
            train(parse(resumed[3:]))
        checkpoint = newest_valid(Catalog(kohya, tmp_path, "tiny", settle=0).list(0.0))
        assert checkpoint is not None
        resumed = kohya.resume_command(command, tmp_path, checkpoint)
    monkeypatch.undo()
    train(parse(resumed[3:]))
    assert (tmp_path / "tiny.safetensors").read_bytes() == (undisturbed / "tiny.safetensors").read_bytes()


def test_a_restart_from_zero_over_old_checkpoints_would_show(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], undisturbed: Path
) -> None:
    run(tmp_path, "--resume", str(undisturbed / "tiny-000004-state"), "--initial_epoch", "5")
    output, bar = capfd.readouterr()
    assert "epoch 5/6" in output
    assert "epoch 4/6" not in output
    assert "0/30" in bar
    assert "10/30" in bar
    assert "11/30" not in bar


class TestKohyasTraps:
    """The demo falls into the same traps, so that a careless resume is seen on it too."""

    def test_a_second_resume_without_a_position_lands_too_early(
        self, undisturbed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        run(tmp_path, "--resume", str(undisturbed / "tiny-000002-state"))
        assert "epoch 2/6" not in capfd.readouterr().out
        run(tmp_path, "--resume", str(tmp_path / "tiny-000004-state"))
        assert "epoch 3/6" in capfd.readouterr().out
        assert (tmp_path / "tiny.safetensors").read_bytes() != (undisturbed / "tiny.safetensors").read_bytes()

    def test_the_final_state_cannot_be_resumed(self, undisturbed: Path, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="max_train_steps should be greater than initial step"):
            run(tmp_path, "--resume", str(undisturbed / "tiny-state"))

    def test_a_torn_state_cannot_be_loaded(self, undisturbed: Path, tmp_path: Path) -> None:
        torn = tmp_path / "tiny-000002-state"
        torn.mkdir()
        (torn / "train_state.json").write_bytes((undisturbed / "tiny-000002-state/train_state.json").read_bytes())
        with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
            run(tmp_path, "--resume", str(torn))


def test_old_checkpoints_make_room(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, "--save_every_n_epochs", "1", "--save_last_n_epochs", "2")
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [
        "tiny-000004-state",
        "tiny-000004.safetensors",
        "tiny-000005-state",
        "tiny-000005.safetensors",
        "tiny-state",
        "tiny.safetensors",
    ]
    assert f"removing old checkpoint: {tmp_path / 'tiny-000001.safetensors'}" in capfd.readouterr().out


def test_without_save_state_there_are_weights_only(tmp_path: Path) -> None:
    train(parse(["--output_dir", str(tmp_path), "--output_name", "tiny", "--save_every_n_epochs", "3"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny-000003.safetensors", "tiny.safetensors"]


def test_without_an_output_name_the_recipe_finds_what_it_writes(tmp_path: Path) -> None:
    kohya, arguments = RECIPES["kohya"], ["--output_dir", str(tmp_path), *RUN]
    train(parse(arguments))
    output_name = kohya.settings(["python", "-m", "trainwarden.demo", *arguments], tmp_path).output_name
    found = Catalog(kohya, tmp_path, output_name, settle=0).list(0.0)
    assert [Path(c.path).name for c in found if c.resumable] == ["epoch-000004-state", "epoch-000002-state"]
    assert [Path(c.path).name for c in found if c.final] == ["last.safetensors", "last-state"]
