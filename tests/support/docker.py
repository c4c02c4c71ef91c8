"""A real dockerd as a child of the test, in a throwaway folder, with one tiny image: busybox."""

import http.client
import io
import json
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.external import need, of_a_daemon
from tests.support.wait import wait_until

IMAGE = "tiny:1"
_APPLETS = ("sh", "sleep", "echo", "cat", "id", "seq", "kill", "env")


class Docker:
    """What a user would do by the command line, by the API that stands behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "docker.sock")
        self._networks: list[str] = []

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        connection = http.client.HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(self.socket)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        with suppress(ValueError):
            return answer.status, json.loads(said)
        return answer.status, said

    def well(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        status, said = self.ask(method, path, body, kind)
        assert status < 400, f"{method} {path}: {status} {said!r}"
        return said

    def create(self, name: str, script: str, **more: Any) -> str:
        """``docker create --network host``; what ``more`` says outweighs."""
        body = {"Image": IMAGE, "Cmd": ["sh", "-c", script], **more}
        body["HostConfig"] = {"NetworkMode": "host", **more.get("HostConfig", {})}
        return str(self.well("POST", f"/containers/create?name={name}", body)["Id"])

    def run(self, name: str, script: str, **more: Any) -> str:
        made = self.create(name, script, **more)
        self.well("POST", f"/containers/{made}/start")
        return made

    def inspect(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.well("GET", f"/containers/{name}/json")
        return found

    def network(self, name: str) -> None:
        self.well("POST", "/networks/create", {"Name": name, "Driver": "bridge"})
        self._networks.append(name)

    def clear(self) -> None:
        for one in self.well("GET", "/containers/json?all=1"):
            self.ask("DELETE", f"/containers/{one['Id']}?force=1&v=1")
        while self._networks:
            self.well("DELETE", f"/networks/{self._networks.pop()}")


@pytest.fixture(scope="module")
def docker_daemon() -> Iterator[Docker]:
    """A dockerd for the tests of a module."""
    need("dockerd", "containerd", "runc", "busybox", root=True)
    with running_docker() as docker:
        yield docker


@pytest.fixture
def docker(docker_daemon: Docker) -> Iterator[Docker]:
    """The module's dockerd, without any container before and after a test."""
    yield docker_daemon
    docker_daemon.clear()


@contextmanager
def running_docker() -> Iterator[Docker]:
    with tempfile.TemporaryDirectory(prefix="tw-docker-") as name:
        docker = Docker(Path(name))
        child = _start(docker)
        try:
            wait_until(lambda: _answers(docker, child), 60, "dockerd answers")
            docker.well("POST", "/images/create?fromSrc=-&repo=tiny&tag=1", _image(), "application/x-tar")
            yield docker
            docker.clear()
        finally:
            child.terminate()
            child.wait(60)


def _start(docker: Docker) -> "subprocess.Popen[bytes]":
    places = [f"--{what}={docker.folder}/{what}" for what in ("data-root", "exec-root")]
    listening = ["-H", f"unix://{docker.socket}", f"--pidfile={docker.folder}/pid"]
    plain = ["--storage-driver=vfs", "--iptables=false", "--bridge=none"]
    with (docker.folder / "log").open("wb") as log:
        # In a mount namespace of its own: none of its mounts outlives it, and the folder can be removed.
        command = ["unshare", "--mount", "dockerd", *places, *listening, *plain]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=of_a_daemon(), start_new_session=True
        )


def _answers(docker: Docker, child: "subprocess.Popen[bytes]") -> bool:
    assert child.poll() is None, f"dockerd ended: {(docker.folder / 'log').read_text()[-2000:]}"
    try:
        return docker.ask("GET", "/_ping")[0] == 200
    except OSError:
        return False


def _image() -> bytes:
    """A static busybox and links to it."""
    busybox = shutil.which("busybox")
    assert busybox
    with io.BytesIO() as made:
        with tarfile.open(fileobj=made, mode="w") as tar:
            tar.add(busybox, "bin/busybox")
            for applet in _APPLETS:
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        return made.getvalue()
