from pathlib import Path

import pytest

from tests.checkpoints.making import checkpoint, make_state
from trainwarden.checkpoints import RECIPES
from trainwarden.errors import RefusedError

NONE = RECIPES["none"]


def test_a_trainer_that_nobody_knows_is_told_so_at_launch(tmp_path: Path) -> None:
    assert NONE.settings(["python", "train.py"], tmp_path).problem.startswith("no recipe knows how this trainer")


def test_it_finds_nothing_and_is_never_resumed(tmp_path: Path) -> None:
    make_state(tmp_path / "tiny-000002-state", 2)
    assert NONE.find(tmp_path, "tiny") == []
    assert NONE.resumed_from(["python", "train.py", "--resume", "x"]) is None
    with pytest.raises(RefusedError, match="a restart would start from zero"):
        NONE.resume_command(["python", "train.py"], tmp_path, checkpoint(tmp_path / "tiny-000002-state", 2))
