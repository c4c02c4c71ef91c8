"""What every test may use."""

import os
from pathlib import Path

import pytest

from tests.support.docker import docker, docker_daemon  # noqa: F401  (fixtures)
from tests.support.hangfs import hangfs_library, hanging  # noqa: F401  (fixtures)
from tests.support.nvml import nvml, nvml_library  # noqa: F401  (fixtures)
from tests.support.slurm import slurm, slurm_cluster  # noqa: F401  (fixtures)
from tests.support.undisturbed import undisturbed  # noqa: F401  (a fixture)
from trainwarden.stack import tools as programs

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A throwaway $XDG_STATE_HOME (and no configuration of the user's own in sight)."""
    home = tmp_path / "state"
    home.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TRAINWARDEN_CONFIG", raising=False)
    return home


@pytest.fixture(scope="session")
def tools() -> programs.Tools:
    """Real Prometheus, promtool, Alertmanager and amtool: from PATH, else fetched once into ``.tools``."""
    return programs.locate(Path(os.environ.get(programs.FOLDER_ENVIRONMENT) or REPOSITORY / ".tools"), print)
