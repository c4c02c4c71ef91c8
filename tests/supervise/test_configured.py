"""A configuration file that is edited while the run trains must not become the resumed run's."""

from pathlib import Path

import pytest
from msgspec import structs

from trainwarden.errors import RefusedError
from trainwarden.model import Checkpoint, RunSpec, Verdict
from trainwarden.supervise import configured, starting

COMMAND = ["accelerate", "launch", "train_network.py", "--config_file", "luca.toml", "--dataset_config=data/set.toml"]


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    (tmp_path / "data").mkdir()
    for name in ("luca.toml", "data/set.toml", "train_network.py"):
        (tmp_path / name).write_text("a = 1\n")
    return launched(COMMAND, tmp_path)


def launched(command: list[str], cwd: Path) -> RunSpec:
    """A run of kohya's trainer with what was known of its files at its launch."""
    spec = RunSpec(name="luca", run_id="r", command=command, cwd=str(cwd), recipe="kohya")
    return structs.replace(spec, files_at_launch=configured.fingerprints(spec))


def test_the_configuration_files_of_the_command_are_known(spec: RunSpec) -> None:
    assert sorted(spec.files_at_launch) == ["data/set.toml", "luca.toml"]
    assert configured.changed(spec) == ""


@pytest.mark.parametrize("name", ["luca.toml", "data/set.toml"])
def test_an_edited_file_is_named_with_the_mend(spec: RunSpec, name: str) -> None:
    path = Path(spec.cwd) / name
    path.write_text("a = 2\n")
    assert configured.changed(spec) == (
        f"{path} is not what it was when the run was launched, so that the run would go on as something else;"
        " put it back, or start anew with `trainwarden run luca`"
    )
    path.write_text("a = 1\n")
    assert configured.changed(spec) == "", "what says the same is the same"


def test_a_file_that_is_gone_is_not_the_same(spec: RunSpec) -> None:
    (Path(spec.cwd) / "luca.toml").unlink()
    assert "luca.toml is not what it was" in configured.changed(spec)


def test_nothing_is_launched_with_an_edited_file(spec: RunSpec) -> None:
    (Path(spec.cwd) / "luca.toml").write_text("a = 2\n")
    checkpoint = Checkpoint(path="/c", epoch=2, modified_at=0.0, size_bytes=1, verdict=Verdict.VALID)
    with pytest.raises(RefusedError, match="is not what it was"):
        starting.resume_command(spec, checkpoint)


def test_a_large_file_and_one_that_is_not_there_configure_nothing(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b" " * (configured.MAX_BYTES + 1))
    assert launched(["x", "large.json", "absent.toml", "folder.toml"], tmp_path).files_at_launch == {}


def test_a_file_named_without_its_ending_is_known_and_the_data_sets_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "luca.toml").write_text('[data]\ndataset_config = "sets/faces.toml"\n')
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets/faces.toml").write_text("a = 1\n")
    spec = launched(["accelerate", "launch", "train_network.py", "--config_file", "luca"], tmp_path)
    assert sorted(spec.files_at_launch) == ["luca.toml", "sets/faces.toml"]
    (tmp_path / "sets/faces.toml").write_text("a = 2\n")
    assert "sets/faces.toml is not what it was" in configured.changed(spec)
