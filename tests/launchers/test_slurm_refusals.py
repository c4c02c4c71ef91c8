"""What the Slurm engine refuses before it asks Slurm anything."""

from pathlib import Path

import pytest

from trainwarden.errors import RefusedError
from trainwarden.launchers import slurm
from trainwarden.launchers.engine import Order
from trainwarden.launchers.slurm import SlurmEngine
from trainwarden.launching import SlurmOptions


def order(folder: Path, output: str = "/runs/luca/output.1.log") -> Order:
    return Order(name="luca", run_id="r1", generation=1, argv=["true"], cwd=str(folder), output=output)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--output=x", "--output is trainwarden's to say; leave it out"),
        ("-oout", "-oout is trainwarden's to say"),
        ("--outp=x", "--outp is trainwarden's to say"),
        ("--clusters=other", "--clusters is trainwarden's"),
        ("-Mother", "-Mother is trainwarden's"),
        ("--array=0-3", "--array is trainwarden's"),
        ("--wrap=true", "--wrap is trainwarden's"),
        ("--no-requeue", "--no-requeue is trainwarden's"),
        ("gpu", "'gpu' is no option of sbatch; write --NAME=VALUE"),
    ],
)
def test_an_argument_that_would_lose_the_job_is_refused(tmp_path: Path, argument: str, words: str) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    engine = SlurmEngine(SlurmOptions(script="job.sh", arguments=[argument]))
    with pytest.raises(RefusedError, match=rf"launcher\.slurm\.arguments: {words}"):
        engine.check(order(tmp_path))


@pytest.mark.parametrize(
    "line",
    ["#SBATCH --error=err.log", "#SBATCH -e err.log", "#SBATCH --array=0-3", "#SBATCH  -a 1,2", "#SBATCH -M other"],
)
def test_a_script_that_would_lose_its_job_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "job.sh").write_text(f"#!/bin/sh\n{line}\n")
    with pytest.raises(RefusedError, match=r"job\.sh:2: with -.* the job cannot be followed; take the line out"):
        SlurmEngine(SlurmOptions(script="job.sh")).check(order(tmp_path))


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"launcher\.slurm\.script: .*/job\.sh cannot be read"):
        SlurmEngine(SlurmOptions(script="job.sh")).check(order(tmp_path))


@pytest.mark.parametrize("output", ["/runs/50%/output.1.log", "/my runs/output.1.log"])
def test_a_path_that_slurm_would_write_differently_is_refused(tmp_path: Path, output: str) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    with pytest.raises(RefusedError, match="with % or blanks; set XDG_STATE_HOME"):
        SlurmEngine(SlurmOptions(script="job.sh")).check(order(tmp_path, output))


def test_without_slurm_it_says_where_to_start_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="no sbatch on the PATH; start the run where Slurm's commands are"):
        SlurmEngine(SlurmOptions(script="job.sh")).check(order(tmp_path))


def test_options_like_those_are_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["--wait-all-nodes=1", "--export=ALL", "--exclusive", "-N2", "--time=1:00"]
    with pytest.raises(RefusedError, match="no sbatch on the PATH"):
        SlurmEngine(SlurmOptions(script="job.sh", arguments=arguments)).check(order(tmp_path))


def test_jobs_in_a_hidden_partition_are_looked_for_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(slurm, "_ask", lambda *argv: asked.append(argv) or "")
    assert SlurmEngine(SlurmOptions(script="job.sh")).find(order(Path("/"))) is None
    assert asked[0][:2] == ("squeue", "--all")
