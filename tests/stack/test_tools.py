"""Where Prometheus and Alertmanager come from, in which order, and what is said when they cannot be had."""

import hashlib
import io
import stat
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.ports import free_port
from trainwarden.errors import StackError
from trainwarden.stack import release, tools
from trainwarden.stack.tools import ALERTMANAGER, PROMETHEUS, Project


def put(path: Path, script: str) -> Path:
    """A program that is a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def put_pair(folder: Path, project: Project, version: str, server: str | None = None) -> None:
    put(folder / (server or project.name), f"echo {project.name}, version {version}")
    put(folder / project.tool, f"echo {project.tool}, version {version}")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there, and no way out of this machine."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv(release.BASE_ENVIRONMENT, f"http://127.0.0.1:{free_port()}")
    return folder


FAKE_APT = """
echo "$0 $*" >> "{log}"
case "$*" in
*policy*) echo "  Candidate: {candidate}" ;;
*depends*) printf '%s\\n' prometheus "  Depends: libjs-jquery" libjs-jquery fonts-icons libc6 {apart} ;;
*download*) shift 4; for name; do : > "$name.deb"; done ;;
*update*) exit {update} ;;
esac
"""
FAKE_DPKG_DEB = """
mkdir -p "$3/usr/bin"
case "$2" in *promtool.deb) names=promtool ;; *) names="prometheus prometheus-alertmanager amtool {together}" ;; esac
for name in $names; do
    printf '#!/bin/sh\\necho %s, version {version}\\n' "${{name#prometheus-}}" > "$3/usr/bin/$name"
    chmod 755 "$3/usr/bin/$name"
done
"""


def put_apt(path: Path, candidate: str, update: int = 0, apart: str = "") -> Path:
    log = path.parent / "apt.log"
    script = FAKE_APT.format(log=log, candidate=candidate, update=update, apart=apart)
    for name in ("apt-get", "apt-cache"):
        put(path / name, f"PATH=/usr/bin:/bin\n{script}")
    put(
        path / "dpkg-deb",
        "PATH=/usr/bin:/bin\n" + FAKE_DPKG_DEB.format(version="2.45.3", together="" if apart else "promtool"),
    )
    return log


def test_path_comes_first_and_nothing_is_fetched(path: Path, tmp_path: Path) -> None:
    put_pair(path, PROMETHEUS, "3.1.0")
    put_pair(path, ALERTMANAGER, "0.28.0", server="prometheus-alertmanager")
    log = put_apt(path, "2.45.3")
    found = tools.locate(tmp_path / "tools", print)
    assert found.prometheus == path / "prometheus"
    assert found.alertmanager == path / "prometheus-alertmanager"
    assert not log.exists()
    assert not (tmp_path / "tools").exists()


def test_too_old_on_path_is_passed_over_for_the_package_that_is_new_enough(path: Path, tmp_path: Path) -> None:
    put_pair(path, PROMETHEUS, "2.31.2")
    put_pair(path, ALERTMANAGER, "0.28.0")
    log = put_apt(path, "1:2.45.3+ds-2")
    said: list[str] = []
    found = tools.locate(tmp_path / "tools", said.append)
    assert found.prometheus == tmp_path / "tools/prometheus_2.45/usr/bin/prometheus"
    assert said == [
        "Looking for Prometheus in the distribution's packages (as this user; nothing is installed)",
        "Unpacking the distribution's Prometheus 2.45",
    ]
    assert "download prometheus libjs-jquery fonts-icons\n" in log.read_text()
    assert tools.unpacked_share(found.prometheus) is None  # this fake package has no usr/share


def test_a_tool_that_the_distribution_ships_apart_is_fetched_with_its_server(path: Path, tmp_path: Path) -> None:
    log = put_apt(path, "3.5.3+ds1-6", apart="promtool")
    pair = tools._fetch(PROMETHEUS, tmp_path / "tools", print)
    assert pair.tool == tmp_path / "tools/prometheus_3.5/usr/bin/promtool"
    assert "download prometheus libjs-jquery fonts-icons promtool\n" in log.read_text()


def test_what_was_unpacked_is_found_again_without_asking_anybody(path: Path, tmp_path: Path) -> None:
    log = put_apt(path, "2.45.3")
    pair = tools.find_installed(PROMETHEUS, tmp_path) or tools._fetch(PROMETHEUS, tmp_path, print)
    log.unlink()
    assert tools.find_installed(PROMETHEUS, tmp_path) == pair
    assert not log.exists()


def test_another_program_of_the_same_name_is_not_taken_for_it(path: Path, tmp_path: Path) -> None:
    put(path / "prometheus", "echo the titan")
    put(path / "promtool", "true")
    assert tools.find_installed(PROMETHEUS, tmp_path) is None


@pytest.mark.parametrize(
    ("candidate", "update", "reason"),
    [
        ("2.31.2+ds1", 0, "the distribution's 2.31 is too old"),
        ("(none)", 0, "the distribution does not offer it"),
        ("2.45.3", 100, "the distribution's packages could not be fetched"),
    ],
)
def test_nothing_left_is_one_sentence_that_says_what_to_install(
    path: Path, tmp_path: Path, candidate: str, update: int, reason: str
) -> None:
    put_apt(path, candidate, update)
    with pytest.raises(StackError) as caught:
        tools.locate(tmp_path, print)
    assert str(caught.value) == (
        f"Prometheus 2.42 or newer is not on PATH, {reason}, and its release {PROMETHEUS.release} could not be "
        "downloaded: install it (Debian 12, Ubuntu 24.04 or newer: sudo apt install prometheus), or put the programs "
        "prometheus and promtool from https://prometheus.io/download on PATH"
    )


def test_a_package_that_does_not_run_unpacked_is_passed_over(path: Path, tmp_path: Path) -> None:
    put_pair(path, PROMETHEUS, "3.1.0")
    put_apt(path, "0.28.0")
    with pytest.raises(StackError, match="the distribution's does not run without being installed"):
        tools.locate(tmp_path, print)
    assert tools.find_installed(ALERTMANAGER, tmp_path) is None


def test_a_system_without_apt_goes_on_to_the_release(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="this system has no apt, and its release"):
        tools.locate(tmp_path, print)


class Releases:
    """A release server on loopback."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, project: Project, checksum: str | None = None) -> None:
        folder = self.root / project.name / "releases/download" / f"v{project.release}"
        folder.mkdir(parents=True)
        stem = f"{project.name}-{project.release}.linux-amd64"
        archive = folder / f"{stem}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for name in (project.name, project.tool, "LICENSE"):
                text = f"#!/bin/sh\necho {name}, version {project.release}\n".encode()
                entry = tarfile.TarInfo(f"{stem}/{name}")
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text))
        digest = checksum or hashlib.sha256(archive.read_bytes()).hexdigest()
        (folder / "sha256sums.txt").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {archive.name}\n")


@pytest.fixture
def releases(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Releases]:
    root = tmp_path / "releases"
    root.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(release.BASE_ENVIRONMENT, f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        yield Releases(root)
        server.shutdown()


def test_the_release_is_taken_where_the_package_is_too_old(path: Path, releases: Releases, tmp_path: Path) -> None:
    put_apt(path, "2.31.2")
    releases.publish(PROMETHEUS)
    pair = tools._fetch(PROMETHEUS, tmp_path / "tools", print)
    folder = tmp_path / f"tools/prometheus-{PROMETHEUS.release}.linux-amd64"
    assert pair == (folder / "prometheus", folder / "promtool")
    assert names(folder) == ["prometheus", "promtool"]
    assert stat.S_IMODE(pair.server.stat().st_mode) == 0o755


def test_a_release_that_is_not_what_its_checksum_says_is_refused(releases: Releases, tmp_path: Path) -> None:
    releases.publish(PROMETHEUS, checksum="f" * 64)
    with pytest.raises(StackError, match=r"prometheus-.*tar\.gz: its checksum is not the one in sha256sums\.txt"):
        tools._fetch(PROMETHEUS, tmp_path / "tools", print)
    assert names(tmp_path / "tools") == [".lock"]


def test_a_release_without_a_checksum_for_this_machine_is_refused(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases.publish(PROMETHEUS)
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(StackError, match=r"has no checksum for prometheus-.*linux-s390x\.tar\.gz"):
        tools._fetch(PROMETHEUS, tmp_path / "tools", print)


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.delenv(tools.FOLDER_ENVIRONMENT, raising=False)
    assert tools.default_folder() == Path("/cache/trainwarden/tools")
    monkeypatch.setenv(tools.FOLDER_ENVIRONMENT, "/mine")
    assert tools.default_folder() == Path("/mine")


def test_the_real_programs_of_this_machine_run(tools: tools.Tools) -> None:
    from trainwarden.stack import version

    assert (version.of_binary(tools.prometheus, "prometheus") or (0, 0)) >= PROMETHEUS.minimum
    assert (version.of_binary(tools.alertmanager, "alertmanager") or (0, 0)) >= ALERTMANAGER.minimum
