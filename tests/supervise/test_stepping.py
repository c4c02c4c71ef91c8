"""Stepping down on the supervisor's side: which remedy is next, the derived file, and what is refused."""

from pathlib import Path

import pytest
from msgspec import structs

from tests.supervise.conftest import PYTHON, Runs, output, state, until_ended, until_output
from trainwarden.errors import ConfigurationError, RefusedError
from trainwarden.model import RunSpec, StepDown
from trainwarden.runs import control
from trainwarden.runs.control import Start
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import stepping

FILE = "# mine\nvae_batch_size = 2  # 4 ran out\ngradient_accumulation_steps = 6\n"


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    (tmp_path / "luca.toml").write_text(FILE)
    command = ["python", "train_network.py", "--config_file", "luca.toml"]
    return RunSpec(name="luca", run_id="r", command=command, cwd=str(tmp_path), recipe="kohya", adapt="guide")


def test_the_next_of_each_ladder_is_offered_with_its_change(spec: RunSpec) -> None:
    offered = stepping.steps_down(spec, spec.command)
    assert offered["vram"] == StepDown(remedy="vram A", changes=["vae_batch_size: 2 → 1"])
    assert offered["memory"].changes == ["max_data_loader_n_workers: 8 → 1"]
    assert stepping.steps_down(structs.replace(spec, adapt=""), spec.command) == {}


def test_each_generation_goes_one_rung_down_and_keeps_those_before(spec: RunSpec, tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path / "runs")
    folder.create()
    argv = spec.command
    for generation, remedy in enumerate(("vram A", "vram B", "vram C"), start=2):
        assert stepping.steps_down(spec, argv)["vram"].remedy == remedy
        adapted = stepping.Adapted(folder, spec, generation, [*stepping.taken(argv), remedy])
        argv = adapted.command(spec.command)
        assert not folder.adapted_path(generation).exists()  # a rehearsal ends here
        adapted.write()
    assert "vram" not in stepping.steps_down(spec, argv)
    assert stepping.taken(argv) == ["vram A", "vram B", "vram C"]
    assert "vae_batch_size = 1  # 4 ran out" in folder.adapted_path(4).read_text()
    assert (tmp_path / "luca.toml").read_text() == FILE


def test_only_the_next_remedy_of_this_run_is_taken_from_the_socket(spec: RunSpec) -> None:
    offered = stepping.steps_down(spec, spec.command)
    stepping.check("", offered)
    stepping.check("vram A", offered)
    for other in ("vram B", "vram D", "../../etc/passwd", "$(reboot)"):
        with pytest.raises(RefusedError, match="is not the next of the guide's remedies"):
            stepping.check(other, offered)


def test_a_run_whose_trainer_has_none_of_these_settings_is_refused_at_its_launch(runs: Runs) -> None:
    with pytest.raises(ConfigurationError, match="adapt: the guide's remedies are settings of kohya's trainer"):
        runs.start([PYTHON, "train.py"], recipe="none", adapt="guide")


def test_a_real_generation_is_launched_with_the_derived_file(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "luca.toml").write_text(FILE)
    faults = ["--oom-at-step", "13", "--oom-above-vae-batch", "1", "--config_file", str(tmp_path / "luca.toml")]
    folder = runs.start(runs.demo("--max_train_epochs", "3", "--save_every_n_epochs", "1", *faults), adapt="guide")
    ended = until_ended(folder)
    checkpoint = str(Path(folder.read_spec().checkpoints) / "luca-000002-state")
    with pytest.raises(RefusedError, match="not the next"):
        control.ask(folder, Start(checkpoint, 2, remedy="vram C"))
    control.ask(folder, Start(checkpoint, 2, rehearsal=True, remedy="vram A"))
    assert not folder.adapted_path(2).exists()
    assert ended.step_down["vram"].remedy == "vram A"
    launched = control.ask(folder, Start(checkpoint, 2, remedy="vram A"), timeout=60)
    assert (launched.remedies, launched.step_down["vram"].remedy) == (["vram A"], "vram B")
    until_output(folder, "model saved", generation=2)
    assert "out of memory" in output(folder, 1)
    assert state(folder).generation == 2
