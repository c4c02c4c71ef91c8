"""What a person reads at the end of a walk: each thing to do once, with all that it mends."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.ports import free_port
from trainwarden.cli import main

SERVICES = ("exporter", "receiver", "prometheus", "alertmanager")


def test_what_mends_several_links_is_said_once(
    tmp_path: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no trainwarden.yml there
    nobody = [part for name in SERVICES for part in (f"--{name}", f"http://127.0.0.1:{free_port()}")]
    result = CliRunner().invoke(main, ["doctor", *nobody], catch_exceptions=False)
    assert result.exit_code == 1
    (said,) = [line for line in result.stdout.splitlines() if "Start it (" in line]
    assert said.startswith("exporter, Prometheus, receiver, Alertmanager: Start it (trainwarden up --detach")
