"""What the Docker engine says where there is no daemon to ask."""

from pathlib import Path

import pytest

from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers.docker import DockerEngine
from trainwarden.launchers.dockerapi import DockerApi
from trainwarden.launching import DOCKER_SOCKET, DockerOptions


def test_a_daemon_that_does_not_answer_says_nothing_about_the_training(tmp_path: Path) -> None:
    engine = DockerEngine(DockerOptions(container="luca", socket=str(tmp_path / "docker.sock")))
    for ask in (lambda: engine.probe("0" * 64), lambda: engine.stop("0" * 64, kill=True)):
        with pytest.raises(TrainwardenError, match=r"Docker does not answer at .*docker\.sock .*is its daemon running"):
            ask()


def test_the_socket_is_the_configured_one_else_what_docker_host_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert DockerApi().path == DOCKER_SOCKET
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    assert DockerApi().path == "/run/user/1000/docker.sock"
    assert DockerApi("/mine").path == "/mine"


def test_a_daemon_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(RefusedError, match=r"DOCKER_HOST=tcp://10\.0\.0\.1:2375: .* over a Unix socket only"):
        DockerEngine(DockerOptions(container="luca"))
