"""A real stack for those who ask it."""

from collections.abc import Iterator

import pytest

from tests.support.home import Home
from trainwarden.stack.tools import Tools


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Iterator[Home]:
    """Exporter, receiver, Prometheus and Alertmanager, brought up by `trainwarden up` without a run."""
    home = Home(tmp_path_factory.mktemp("home"))
    done = home.run(*home.up("--detach", "--no-demo"))
    assert done.returncode == 0, done.stderr
    yield home
    home.trainwarden("down")
    home.clear()
