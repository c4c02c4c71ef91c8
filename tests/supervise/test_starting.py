"""Every reason for which `start` is refused, and the command that it would launch."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from tests.supervise.conftest import PYTHON, Runs, keeper_pid, state, stop, until_closed, until_ended, until_output
from trainwarden.errors import RefusedError
from trainwarden.model import Ended, Member, Outcome, Resume, RunSpec, RunState
from trainwarden.runs import control
from trainwarden.runs.control import Start
from trainwarden.supervise import starting
from trainwarden.supervise.launch import found_at_launch

CRASHED = RunState(
    run_id="r",
    generation=3,
    open=True,
    beat_at=1,
    beat_monotonic=1,
    started_at=1,
    ended=Ended(Outcome.CRASHED, 1.0),
)


def test_next_generation_of_a_dead_run_may_be_started() -> None:
    starting.check(Start("/c", 4), CRASHED)
    starting.check(Start("/c", 4), structs.replace(CRASHED, members=[Member(1, 1, "Z")]))


@pytest.mark.parametrize(
    ("generation", "change", "sentence"),
    [
        (3, {}, "generation 3 was launched already"),
        (1, {}, "generation 1 was launched already"),
        (5, {}, "the next generation is 4, not 5"),
        (4, {"open": False}, "the run is closed"),
        (4, {"wedged": True}, "still there after SIGKILL"),
        (4, {"ended": None}, "generation 3 still lives"),
        (4, {"members": [Member(1, 1, "D"), Member(2, 1, "Z")]}, r"1 process\(es\) of generation 3 still live"),
        (4, {"stopping_since": 1.0}, "a stop is still under way"),
        (4, {"resumable": False, "resumable_reason": "it saves nothing"}, "it saves nothing"),
    ],
)
def test_start_is_refused(generation: int, change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        starting.check(Start("/c", generation), structs.replace(CRASHED, **change))


def test_a_rehearsal_does_not_ask_whether_anybody_lives() -> None:
    lives = structs.replace(CRASHED, ended=None, members=[Member(1, 1, "S")])
    starting.check(Start("/c", 4, rehearsal=True), lives)
    with pytest.raises(RefusedError, match="the run is closed"):
        starting.check(Start("/c", 4, rehearsal=True), structs.replace(lives, open=False))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    """The folder of a demo training that was cut off after two of four epochs."""
    cwd = tmp_path_factory.mktemp("trained")
    options = ["--output_dir", "out", "--output_name", "luca", "--max_train_epochs", "4", "--steps_per_epoch", "3"]
    saving = ["--save_every_n_epochs", "1", "--save_state"]
    command = [PYTHON, "-m", "trainwarden.demo", *options, *saving, "--crash-at-step", "8"]

    subprocess.run(command, cwd=cwd, capture_output=True, check=False, timeout=60)
    return RunSpec(
        name="luca",
        run_id="r",
        command=command,
        cwd=str(cwd),
        recipe="kohya",
        checkpoints=str(cwd / "out"),
        output_name="luca",
    )


def choose(spec: RunSpec, checkpoint: str | Path) -> Any:
    return starting.choose(Start(str(checkpoint), 2), spec, now=0.0)


def test_whole_checkpoint_is_resumed_by_the_original_command(trained: RunSpec) -> None:
    chosen = choose(trained, f"{trained.checkpoints}/luca-000002-state")
    argv, resumed = starting.resume_command(trained, chosen)
    assert argv[: len(trained.command)] == trained.command
    assert argv[len(trained.command) :] == ["--resume", chosen.path, "--initial_epoch", "3"]
    assert (resumed.checkpoint, resumed.epoch) == (chosen.path, 2)


def test_checkpoint_outside_the_folder_is_refused(trained: RunSpec, tmp_path: Path) -> None:
    copy = tmp_path / "luca-000002-state"
    shutil.copytree(f"{trained.checkpoints}/luca-000002-state", copy)
    for path in (copy, f"{trained.checkpoints}/../elsewhere", trained.checkpoints or "", "out/luca-000002-state", ""):
        with pytest.raises(RefusedError, match="is not in the run's checkpoint folder"):
            choose(trained, path)


def test_link_out_of_the_folder_is_refused(trained: RunSpec, tmp_path: Path) -> None:
    copy = tmp_path / "luca-000001-state"
    shutil.copytree(f"{trained.checkpoints}/luca-000001-state", copy)
    link = Path(f"{trained.checkpoints}/luca-000009-state")
    link.symlink_to(copy)
    try:
        with pytest.raises(RefusedError, match="is not in the run's checkpoint folder"):
            choose(trained, link)
    finally:
        link.unlink()


def test_what_the_catalog_does_not_list_is_refused(trained: RunSpec) -> None:
    with pytest.raises(RefusedError, match="is not a checkpoint of this run"):
        choose(trained, f"{trained.checkpoints}/luca-000002-state/optimizer.bin")


def test_weights_alone_are_refused(trained: RunSpec) -> None:
    with pytest.raises(RefusedError, match="cannot be gone on from exactly"):
        choose(trained, f"{trained.checkpoints}/luca-000002.safetensors")


def test_damaged_checkpoint_is_refused_with_its_fault(trained: RunSpec, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints or "", tmp_path / "out")
    os.truncate(tmp_path / "out/luca-000002-state/optimizer.bin", 10)
    spec = structs.replace(trained, checkpoints=str(tmp_path / "out"))
    with pytest.raises(RefusedError, match=r"luca-000002-state: may not be gone on from: .*optimizer\.bin"):
        choose(spec, tmp_path / "out/luca-000002-state")


def test_state_of_an_epoch_that_the_user_went_back_from_is_refused(trained: RunSpec) -> None:
    command = [*trained.command, "--resume", "out/luca-000001-state", "--initial_epoch", "2"]
    back = structs.replace(trained, command=command)
    spec = structs.replace(back, found_at_launch=found_at_launch(back))
    assert choose(spec, f"{trained.checkpoints}/luca-000001-state").epoch == 1
    with pytest.raises(RefusedError, match="an earlier run wrote it"):
        choose(spec, f"{trained.checkpoints}/luca-000002-state")


def test_fresh_run_owns_nothing_that_lay_there(trained: RunSpec) -> None:
    spec = structs.replace(trained, found_at_launch=found_at_launch(trained))
    with pytest.raises(RefusedError, match="an earlier run wrote it"):
        choose(spec, f"{trained.checkpoints}/luca-000001-state")


def test_a_note_beside_what_lay_there_makes_it_nobodys(trained: RunSpec, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints or "", tmp_path / "out")
    lay = structs.replace(trained, checkpoints=str(tmp_path / "out"))
    spec = structs.replace(lay, found_at_launch=found_at_launch(lay))
    (tmp_path / "out/luca-000001-state/.DS_Store").write_text("a file manager was here")
    with pytest.raises(RefusedError, match="an earlier run wrote it"):
        choose(spec, tmp_path / "out/luca-000001-state")


def test_what_is_written_anew_over_what_lay_there_is_the_runs(trained: RunSpec, tmp_path: Path) -> None:
    shutil.copytree(trained.checkpoints or "", tmp_path / "out")
    lay = structs.replace(trained, checkpoints=str(tmp_path / "out"))
    spec = structs.replace(lay, found_at_launch=found_at_launch(lay))
    for file in (tmp_path / "out/luca-000001-state").iterdir():
        os.utime(file)
    assert choose(spec, tmp_path / "out/luca-000001-state").epoch == 1


def test_folder_behind_a_link_is_the_same_folder(trained: RunSpec, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(trained.checkpoints or "")
    spec = structs.replace(trained, checkpoints=str(tmp_path / "link"))
    assert choose(spec, tmp_path / "link/luca-000001-state").epoch == 1


@pytest.mark.usefixtures("nothing_left")
def test_start_over_the_socket_launches_once_and_resumes(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(runs.demo("--crash-at-step", "12"))
    crashed = until_ended(folder)
    assert crashed.ended is not None and crashed.ended.outcome is Outcome.CRASHED
    assert "CUDA error" in crashed.last_words and crashed.resumable
    checkpoint = str(tmp_path / "out/luca-000002-state")
    with pytest.raises(RefusedError, match="the next generation is 2"):
        control.ask(folder, Start(checkpoint, 3))
    started = control.ask(folder, Start(checkpoint, 2), timeout=30)
    assert (started.generation, started.ended, started.keeper) == (2, None, crashed.keeper)
    assert started.resumed_from is not None
    assert started.resumed_from == Resume(checkpoint, 2, started.resumed_from.step)
    assert started.training != crashed.training
    with pytest.raises(RefusedError, match="generation 2 was launched already"):
        control.ask(folder, Start(checkpoint, 2))
    done = until_closed(folder)
    assert done.ended is not None and done.ended.outcome is Outcome.FINISHED
    (progress,) = folder.read_progress()
    assert (progress.generation, progress.step, progress.steps_done) == (2, 20, 10)
    assert sum(progress.errors.values()) >= 1, "errors are counted over all generations"


@pytest.mark.usefixtures("nothing_left")
def test_start_beside_a_living_training_is_refused(runs: Runs, tmp_path: Path) -> None:
    folder = runs.start(runs.demo("--hang-at-step", "7"))
    until_output(folder, "epoch 2/4")
    with pytest.raises(RefusedError, match="generation 1 still lives"):
        control.ask(folder, Start(str(tmp_path / "out/luca-000001-state"), 2))
    assert state(folder).generation == 1 and keeper_pid(folder)
    rehearsed = control.ask(folder, Start(str(tmp_path / "out/luca-000001-state"), 2, rehearsal=True))
    assert (rehearsed.generation, rehearsed.ended) == (1, None)
    with pytest.raises(RefusedError, match="is not a checkpoint of this run"):
        control.ask(folder, Start(str(tmp_path / "out/luca-000003-state"), 2, rehearsal=True))
    stop(folder)
    until_closed(folder)
