"""What can be told before a launch is told before it, in one sentence that names the mend."""

import os
from pathlib import Path

import pytest

from tests.supervise.conftest import PYTHON
from trainwarden.config import Config, RunConfig
from trainwarden.errors import ConfigurationError, RunFolderError
from trainwarden.launching import CommandOptions, DockerOptions, Launching, SlurmOptions, TmuxOptions
from trainwarden.model import Limits
from trainwarden.supervise.plan import Options, Plan, plan

KOHYA = ["accelerate", "launch", "train_network.py", "--output_dir", "out", "--output_name", "luca"]
SAVING = ["--save_state", "--save_every_n_epochs", "2"]


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state_home: Path) -> Path:
    """An activated training environment, and somewhere to train."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/accelerate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planned(command: list[str], entry: RunConfig | None = None, **options: object) -> Plan:
    config = Config(runs={"luca": entry} if entry else {})
    return plan("luca", command=command, config=config, options=Options(**options))  # type: ignore[arg-type]


def test_kohya_run_is_read_off_its_command(cwd: Path) -> None:
    spec = planned([*KOHYA, *SAVING]).spec
    assert (spec.recipe, spec.checkpoints, spec.output_name) == ("kohya", str(cwd / "out"), "luca")
    assert (spec.cwd, spec.profile, spec.nodes, spec.declared) == (str(cwd), "balanced", 1, False)
    assert spec.command == [*KOHYA, *SAVING]
    assert len(spec.run_id) == 32 and spec.run_id != planned([*KOHYA, *SAVING]).spec.run_id


def test_the_trainers_settings_are_remembered(cwd: Path) -> None:
    settings = planned([*KOHYA, *SAVING, "--gradient_checkpointing"]).spec.settings
    assert (settings["gradient_checkpointing"], settings["lowram"], settings["save_every_n_epochs"]) == (1, 0, 2)


def test_run_that_can_be_resumed_has_no_warning_of_that(cwd: Path) -> None:
    assert [w for w in planned([*KOHYA, *SAVING]).warnings if "cannot be resumed" in w] == []


def test_run_that_cannot_be_resumed_is_told_so_at_launch(cwd: Path) -> None:
    (warning,) = (w for w in planned(KOHYA).warnings if w.startswith("if this run dies it cannot be resumed: "))
    assert "save_state" in warning


@pytest.mark.parametrize(
    ("before", "client", "mend"),
    [
        (["docker", "run", "--rm", "trainer"], "docker", "launcher docker"),
        (["sudo", "-E", "env", "A=1", "/usr/bin/docker", "run", "trainer"], "docker", "launcher docker"),
        (["nice", "-n", "10", "ssh", "box"], "ssh", "trainwarden on that machine"),
    ],
)
def test_a_training_that_outlives_its_command_is_told_to_be_watched_only(
    cwd: Path, before: list[str], client: str, mend: str
) -> None:
    for name in ("docker", "ssh", "sudo", "nice"):
        (cwd / "bin" / name).write_text("#!/bin/sh\n")
        (cwd / "bin" / name).chmod(0o755)
    (warning,) = (w for w in planned([*before, *KOHYA, *SAVING]).warnings if "cannot be resumed" in w)
    assert warning == (
        f"if this run dies it cannot be resumed: '{client}' only speaks with the training, which may live on when "
        f"{client} has ended, and a restart would begin another beside it; use {mend}"
    )


def test_an_engine_that_knows_its_training_may_have_such_a_command(cwd: Path) -> None:
    launcher = Launching(slurm=SlurmOptions(script="job.sh"))
    assert planned(["srun", *KOHYA, *SAVING], RunConfig(launcher=launcher)).warnings == []


def test_unknown_trainer_is_told_so_at_launch(cwd: Path) -> None:
    (warning,) = planned(["/bin/true"]).warnings
    assert warning.startswith("if this run dies it cannot be resumed: no recipe knows")


def test_programs_of_a_container_or_a_job_are_not_looked_for_here(cwd: Path) -> None:
    for launcher in (
        Launching(docker=DockerOptions(container="luca")),
        Launching(slurm=SlurmOptions(script="job.sh")),
        Launching(command=CommandOptions(start=["a"], probe=["b"], stop=["c"])),
    ):
        assert planned(["/opt/conda/bin/python", "train.py"], RunConfig(launcher=launcher)).spec.launcher == launcher
    for here in (None, Launching(tmux=TmuxOptions())):
        with pytest.raises(ConfigurationError):
            planned(["/opt/conda/bin/python", "train.py"], RunConfig(launcher=here))


def test_run_on_several_nodes_is_restarted_by_slurm(cwd: Path) -> None:
    launcher = Launching(slurm=SlurmOptions(script="job.sh"))
    assert planned([*KOHYA, *SAVING], RunConfig(nodes=2, launcher=launcher)).warnings == []


def test_run_on_several_nodes_is_only_watched(cwd: Path) -> None:
    warnings = planned([*KOHYA, *SAVING], RunConfig(nodes=2)).warnings
    assert any("a run on 2 nodes is only watched here" in warning for warning in warnings)


def test_arguments_win_over_the_configuration_and_that_over_the_command(cwd: Path) -> None:
    entry = RunConfig(
        command=["/bin/false"],
        output_name="of-entry",
        checkpoints="entry-out",
        profile="conservative",
        gpus=[3],
        limits=Limits(term_grace=5),
        thresholds={"step_duration_seconds": {"warning": 4.0}},
    )
    spec = planned([*KOHYA, *SAVING], entry, output_name="of-args", gpus=[0, 1]).spec
    assert spec.command[0] == "accelerate" and not spec.declared
    assert (spec.output_name, spec.gpus) == ("of-args", [0, 1])
    assert (spec.checkpoints, spec.profile) == (str(cwd / "entry-out"), "conservative")
    assert spec.limits.term_grace == 5 and spec.thresholds == entry.thresholds


def test_run_declared_whole_needs_no_command(cwd: Path) -> None:
    spec = planned([], RunConfig(command=[*KOHYA, *SAVING])).spec
    assert spec.command == [*KOHYA, *SAVING] and spec.declared


def test_relative_paths_begin_at_the_runs_working_directory(cwd: Path) -> None:
    (cwd / "sub").mkdir()
    spec = planned([*KOHYA, *SAVING], cwd="sub", checkpoints="../ckpt/./x").spec
    assert (spec.cwd, spec.checkpoints) == (str(cwd / "sub"), str(cwd / "ckpt/x"))


def test_named_checkpoint_folder_that_is_not_there_yet_is_a_warning(cwd: Path) -> None:
    assert f"checkpoint folder {cwd}/ckpt: is not there yet; the trainer is expected to make it" in (
        planned([*KOHYA, *SAVING], checkpoints="ckpt").warnings
    )


@pytest.mark.parametrize(
    ("command", "options", "sentence"),
    [
        ([], {}, "run 'luca': no command; write it after '--', or as runs.luca.command in trainwarden.yml"),
        (["acelerate"], {}, "'acelerate' is not on PATH; activate the training environment"),
        (["./train.sh"], {}, "train.sh is not there, or not executable"),
        (["/bin/true", "caf\udce9"], {}, "argument 'caf\\udce9' of the command is not UTF-8"),
        (
            ["/bin/true"],
            {"recipe": "koya"},
            "unknown recipe 'koya'; allowed here: accelerate, hf, kohya, lightning, none, torch",
        ),
        (
            ["/bin/true"],
            {"profile": "fast"},
            "unknown profile 'fast'; allowed here: aggressive, balanced, conservative",
        ),
        (["/bin/true"], {"cwd": "nowhere"}, "nowhere: is not a folder"),
        (["/bin/true"], {"checkpoints": "bin/accelerate"}, "bin/accelerate: cannot be read as a folder"),
    ],
)
def test_what_cannot_be_launched_is_refused(
    cwd: Path, command: list[str], options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        planned(command, **options)
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_program_that_was_taken_for_the_name_is_said(cwd: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        plan("accelerate", command=["launch", "train_network.py"], config=Config(), options=Options())
    assert str(refused.value) == (
        "command not found: 'launch' is not on PATH; 'accelerate' was taken for the run's name; write one before it:"
        " trainwarden run NAME -- accelerate …"
    )


def test_name_that_is_no_folder_name_is_refused(cwd: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run name '\.\./x'"):
        plan("../x", command=[PYTHON], config=Config(), options=Options())


@pytest.mark.parametrize("option", ["cwd", "checkpoints", "output_name"])
def test_a_name_that_is_no_text_is_refused(cwd: Path, option: str) -> None:
    name = os.fsdecode(b"n\xe4chtlich")
    (cwd / name).mkdir()
    with pytest.raises(ConfigurationError, match=r"is not UTF-8, so run\.json cannot hold it; rename it$"):
        planned([*KOHYA, *SAVING], **{option: str(cwd / name) if option == "cwd" else name})
