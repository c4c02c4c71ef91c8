"""The examples say what they mean: each is loaded, and names an engine whose commands are whole."""

import pytest

from tests.conftest import REPOSITORY
from trainwarden import config as configuration
from trainwarden.supervise.engines import engine_of

EXAMPLES = sorted((REPOSITORY / "examples/launchers").glob("*.yml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_loads_and_names_an_engine(path) -> None:  # type: ignore[no-untyped-def]
    for run in configuration.load(path).runs.values():
        assert run.launcher is not None
        assert engine_of(run.launcher).name


def test_there_are_examples() -> None:
    assert [path.stem for path in EXAMPLES] == ["docker", "kubectl", "slurm", "systemd"]
