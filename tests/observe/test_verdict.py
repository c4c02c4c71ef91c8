"""How an end is told whose exit status nobody could reap."""

from pathlib import Path

import pytest

from tests.checkpoints.making import make_state
from trainwarden.checkpoints import RECIPES
from trainwarden.model import Ended, Outcome, Phase, Progress, RunSpec
from trainwarden.observe.verdict import judge

BEGAN, AT = 1_790_000_000.0, 1_790_010_000.0
DONE = Progress(
    writer="output", generation=1, phase=Phase.TRAINING, phase_since=BEGAN, beat_at=AT, step=60, max_steps=60
)
HALFWAY = Progress(
    writer="output", generation=1, phase=Phase.TRAINING, phase_since=BEGAN, beat_at=AT, step=30, max_steps=60
)
FAILED = Progress(
    writer="output", generation=1, phase=Phase.TRAINING, phase_since=BEGAN, beat_at=AT, step=60, max_steps=60,
    last_error="OSError: [Errno 28] No space left on device",
)  # fmt: skip
CTRL_C = b'Traceback (most recent call last):\r\n  File "train.py"\r\nKeyboardInterrupt\r\nsteps:  50%|##   | 30/60'


def ended(progress: Progress | None, *, recipe: str = "none", end: bytes = b"", named: int | None = None) -> Ended:
    spec = RunSpec(name="luca", run_id="id", command=["train"], cwd="/", recipe=recipe)
    return judge(spec, RECIPES[recipe], progress, named=named, end=end, began=BEGAN, at=AT)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        pytest.param(ended(DONE), Outcome.FINISHED, id="took its last step"),
        pytest.param(ended(HALFWAY), Outcome.CRASHED, id="vanished half-way"),
        pytest.param(ended(None), Outcome.CRASHED, id="nothing was seen of it"),
        pytest.param(ended(FAILED), Outcome.CRASHED, id="took its last step, and then failed"),
        pytest.param(ended(DONE, named=9), Outcome.CRASHED, id="its launcher says SIGKILL"),
        pytest.param(ended(HALFWAY, named=15), Outcome.STOPPED_BY_USER, id="its launcher says SIGTERM"),
        pytest.param(ended(HALFWAY, end=CTRL_C), Outcome.STOPPED_BY_USER, id="Ctrl-C, and a bar after it"),
        pytest.param(ended(HALFWAY, end=b"no KeyboardInterrupt here"), Outcome.CRASHED, id="the word alone"),
        pytest.param(ended(DONE, recipe="kohya"), Outcome.CRASHED, id="kohya, before its last save"),
    ],
)
def test_what_is_known_decides(found: Ended, outcome: Outcome) -> None:
    assert (found.outcome, found.exit_code, found.signal, found.at) == (outcome, None, None, AT)


def test_a_final_state_without_the_weights_that_are_written_last_is_no_end(tmp_path: Path) -> None:
    make_state(tmp_path / "luca-state", 6, at=AT)
    spec = RunSpec(
        name="luca",
        run_id="id",
        command=["train"],
        cwd="/",
        recipe="kohya",
        checkpoints=str(tmp_path),
        output_name="luca",
    )
    found = judge(spec, RECIPES["kohya"], DONE, named=None, end=b"", began=BEGAN, at=AT)
    assert found.outcome is Outcome.CRASHED


def test_a_checkpoint_folder_that_is_not_there_claims_nothing(tmp_path: Path) -> None:
    spec = RunSpec(name="luca", run_id="id", command=["t"], cwd="/", recipe="kohya", checkpoints=str(tmp_path / "none"))
    found = judge(spec, RECIPES["kohya"], DONE, named=None, end=b"", began=BEGAN, at=AT)
    assert found.outcome is Outcome.CRASHED
