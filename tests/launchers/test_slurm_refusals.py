"""What the Slurm engine refuses before it asks Slurm anything."""

from pathlib import Path

import pytest

from trainwarden.errors import RefusedError
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
    "line", ["#SBATCH --error=err.log", "#SBATCH -e err.log", "#SBATCH --array=0-3", "#SBATCH  -a 1,2"]
)
def test_a_script_whose_output_goes_elsewhere_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    (tmp_path / "job.sh").write_text(f"#!/bin/sh\n{line}\n")
    with pytest.raises(RefusedError, match=r"job\.sh:2: with -.* its output cannot be followed; take the line out"):
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
