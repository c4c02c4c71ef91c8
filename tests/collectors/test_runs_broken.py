"""Runs' folders that hold what they should not: named as faults or passed over, and the other runs are read."""

from pathlib import Path

import pytest

from tests.collectors.samples import NOW, progress, spec, state, write
from tests.collectors.test_runs import read
from trainwarden.collectors.runs import RunsReading
from trainwarden.model import STEP_BUCKETS, Ended, Outcome, StepDurations


@pytest.mark.parametrize("broken", ["run.json", "state.json", "progress/output-0.json"])
def test_a_broken_file_is_a_fault_that_names_it_and_leaves_the_other_runs_alone(tmp_path: Path, broken: str) -> None:
    folder = write(tmp_path, spec("broken"), state(), progress())
    write(tmp_path, spec("whole"), state(), progress())
    (folder.path / broken).write_text("{")
    reading = read(tmp_path)
    assert [run.name for run in reading.runs] == ["whole"]
    assert len(reading.faults) == 1
    assert reading.faults[0].startswith(f"{folder.path / broken}: ")


@pytest.mark.parametrize(
    ("file", "number"),
    [
        ("progress/output-0.json", '"step":5'),
        ("progress/output-0.json", '"errors":{"nccl":5}'),
        ("state.json", '"rss_bytes":5'),
        ("state.json", '"exit_code":5'),
    ],
)
def test_a_number_of_400_digits_is_a_fault_and_leaves_the_other_runs_alone(
    tmp_path: Path, file: str, number: str
) -> None:
    ended = Ended(Outcome.CRASHED, NOW, exit_code=5)
    folder = write(tmp_path, spec("broken"), state(rss_bytes=5, ended=ended), progress(step=5, errors={"nccl": 5}))
    write(tmp_path, spec("whole"), state(), progress())
    text = (folder.path / file).read_text()
    assert number in text
    (folder.path / file).write_text(text.replace(number, number.replace("5", "5" * 400)))
    reading = read(tmp_path)
    assert [run.name for run in reading.runs] == ["whole"]
    assert reading.faults[0].startswith(f"{folder.path / file}: ")


def test_a_file_among_the_runs_is_no_run_and_no_fault(tmp_path: Path) -> None:
    write(tmp_path, spec(), state(), progress())
    (tmp_path / "notes").write_text("of the user's")
    reading = read(tmp_path)
    assert ([run.name for run in reading.runs], reading.faults) == (["luca"], ())


def test_a_histogram_of_another_version_is_a_fault(tmp_path: Path) -> None:
    folder = write(tmp_path, spec(), state(), progress(durations=StepDurations([1, 2], 3.0)))
    assert read(tmp_path).faults == (
        f"{folder.path}/progress/output-0.json: durations.counts holds 2 counts where {len(STEP_BUCKETS) + 1} are"
        " meant; its writer is of another version of trainwarden",
    )


def test_a_profile_that_is_unknown_here_is_a_fault(tmp_path: Path) -> None:
    folder = write(tmp_path, spec(profile="reckless"), state())
    assert read(tmp_path).faults == (
        f"{folder.spec_path}: profile 'reckless' is not one of conservative, balanced, aggressive; launch the run anew",
    )


def test_what_cannot_be_the_name_of_a_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "not a run").write_text("")
    assert read(tmp_path) == RunsReading()
