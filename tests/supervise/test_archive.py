"""A former run's files, moved aside: nothing of them is ever lost."""

from pathlib import Path

from trainwarden.model import RunSpec
from trainwarden.runs.folder import RunFolder
from trainwarden.supervise import launch


def test_what_was_moved_aside_before_is_never_written_over(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    for number in range(3):  # damaged three times within one process
        folder.create()
        folder.spec_path.write_text("{")
        folder.progress_path("output", 0).write_text(f"progress {number}")
        folder.ledger_path.write_text(f"ledger {number}")
        launch.archive(folder)
    kept = sorted((folder.path / "archive").iterdir())
    assert [path.name for path in kept] == ["damaged", "damaged.2", "damaged.3"]
    for number, path in enumerate(kept):
        assert (path / "ledger.jsonl").read_text() == f"ledger {number}"
        assert (path / "progress/output-0.json").read_text() == f"progress {number}"


def test_a_move_that_was_cut_short_is_gone_on_with(tmp_path: Path) -> None:
    folder = RunFolder("luca", tmp_path)
    spec = RunSpec(name="luca", run_id="r1", command=["x"], cwd="/", recipe="none")
    folder.create()
    folder.write_spec(spec)
    moved = folder.path / "archive/r1"
    (moved / "progress").mkdir(parents=True)
    (moved / "progress/output-0.json").write_text("moved")
    (moved / "ledger.jsonl").write_text("moved")
    folder.ledger_path.write_text("since then")
    launch.archive(folder)
    assert (moved / "ledger.jsonl").read_text() == (moved / "progress/output-0.json").read_text() == "moved"
    assert (folder.path / "archive/r1.2/ledger.jsonl").read_text() == "since then"
    assert not folder.spec_path.exists()
