"""The compose file as Docker's own Compose reads it, and the script that writes its ``.env``."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY

OWN = ("render", "exporter", "receiver")
ALL = (*OWN, "prometheus", "alertmanager", "grafana")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `docker compose` reads of the repository, in a folder of its own."""
    folder = tmp_path / "checkout"
    shutil.copytree(REPOSITORY / "scripts", folder / "scripts")
    shutil.copytree(REPOSITORY / "docker", folder / "docker")
    for name in ("docker-compose.yml", "docker-compose.gpu.yml", ".env.example", "Dockerfile"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


def compose_env(checkout: Path, home: Path, *arguments: str) -> str:
    home.mkdir(exist_ok=True)
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    script = [str(checkout / "scripts/compose-env"), *arguments]
    return subprocess.run(script, env=environment, check=True, capture_output=True, text=True).stdout


def config(compose: Path, checkout: Path, *files: str) -> subprocess.CompletedProcess[str]:
    named = [part for file in files for part in ("-f", file)]
    command = [compose, *named, "config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(checkout)}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def read(compose: Path, checkout: Path, tmp_path: Path) -> dict[str, Any]:
    """The compose file as Compose understands it, with the ``.env`` that the script wrote."""
    compose_env(checkout, tmp_path / "home", str(tmp_path / "training"))
    done = config(compose, checkout)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_without_env_it_says_what_to_do_first(compose: Path, checkout: Path) -> None:
    done = config(compose, checkout)
    assert done.returncode != 0
    assert "run `make compose-env` first" in done.stderr


def test_every_part_of_the_loop_is_a_service(read: dict[str, Any]) -> None:
    assert sorted(read["services"]) == sorted(ALL)


def test_every_service_runs_as_the_user_with_nothing_beyond(read: dict[str, Any]) -> None:
    for service in read["services"].values():
        assert service["user"] == f"{os.getuid()}:{os.getgid()}"
        assert service["init"] is True
        assert service["cap_drop"] == ["ALL"]


def test_ports_are_published_on_loopback_only(read: dict[str, Any]) -> None:
    published = [port for service in read["services"].values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}
    assert sorted(port["target"] for port in published) == [3000, 9090, 9093, 9877, 9878]


def test_everything_waits_for_the_rendered_configuration(read: dict[str, Any]) -> None:
    for name in set(ALL) - {"render"}:
        waits = read["services"][name]["depends_on"]["render"]
        assert waits["condition"] == "service_completed_successfully"


def test_images_are_pinned(read: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in read["services"].items() if name not in OWN}
    assert images == {
        "prometheus": "prom/prometheus:v3.14.0",
        "alertmanager": "prom/alertmanager:v0.34.0",
        "grafana": "grafana/grafana:13.2.0",
    }


def test_the_users_folders_keep_their_paths_and_checkpoints_cannot_be_written(
    read: dict[str, Any], tmp_path: Path
) -> None:
    runs = str(tmp_path / "home/.local/state/trainwarden/runs")
    for name in ("exporter", "receiver"):
        volumes = {v["source"]: v for v in read["services"][name]["volumes"]}
        assert volumes[runs]["target"] == runs
        assert volumes[str(tmp_path / "training")]["target"] == str(tmp_path / "training")
        assert volumes[str(tmp_path / "training")]["read_only"] is True
        assert volumes[runs].get("read_only", False) is (name == "exporter")


def test_every_mounted_folder_was_made_by_the_script(read: dict[str, Any]) -> None:
    """Docker would make a missing one itself, as root, and the service could not write to it."""
    mounted = {v["source"] for service in read["services"].values() for v in service["volumes"]}
    mounted.add(read["secrets"]["trainwarden_receiver_token"]["file"])
    missing = [source for source in mounted if not Path(source).exists()]
    assert missing == []


def test_the_secrets_reach_who_needs_them_and_cannot_be_written(read: dict[str, Any], tmp_path: Path) -> None:
    """Render checks them, Alertmanager sends by them, the receiver passes on by them."""
    folder = str(tmp_path / "home/.config/trainwarden/secrets")
    found = {name: {v["source"]: v for v in service["volumes"]} for name, service in read["services"].items()}
    assert {name for name, volumes in found.items() if folder in volumes} == {"render", "receiver", "alertmanager"}
    assert all(volumes[folder]["read_only"] is True for volumes in found.values() if folder in volumes)


def test_a_tilde_in_the_configuration_leads_to_the_users_home(read: dict[str, Any], tmp_path: Path) -> None:
    """As docs/notifications.md writes the secrets' files; Docker itself would make it the root folder."""
    assert {read["services"][name]["environment"]["HOME"] for name in OWN} == {str(tmp_path / "home")}


def test_an_env_from_before_it_named_the_home_takes_that_of_whoever_starts(
    compose: Path, checkout: Path, tmp_path: Path
) -> None:
    compose_env(checkout, tmp_path / "home")
    env = checkout / ".env"
    env.write_text("\n".join(line for line in env.read_text().splitlines() if "TRAINWARDEN_HOME=" not in line))
    found = json.loads(config(compose, checkout).stdout)
    assert found["services"]["render"]["environment"]["HOME"] == str(checkout)


def test_only_the_gpu_file_asks_for_a_gpu(read: dict[str, Any], compose: Path, checkout: Path) -> None:
    assert not any("deploy" in service for service in read["services"].values())
    done = config(compose, checkout, "docker-compose.yml", "docker-compose.gpu.yml")
    assert done.returncode == 0, done.stderr
    devices = json.loads(done.stdout)["services"]["exporter"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices[0]["driver"] == "nvidia"


def test_a_typo_would_be_noticed(compose: Path, checkout: Path, tmp_path: Path) -> None:
    compose_env(checkout, tmp_path / "home")
    file = checkout / "docker-compose.yml"
    file.write_text(file.read_text().replace("depends_on:", "depend_on:", 1))
    assert "depend_on" in config(compose, checkout).stderr


def test_the_token_is_the_users_alone_as_whom_all_services_run(checkout: Path, tmp_path: Path) -> None:
    compose_env(checkout, tmp_path / "home")
    token = tmp_path / "home/.config/trainwarden/secrets/receiver-token"
    assert len(token.read_text()) == 64
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700


def test_a_second_run_of_the_script_changes_nothing(checkout: Path, tmp_path: Path) -> None:
    compose_env(checkout, tmp_path / "home")
    token = tmp_path / "home/.config/trainwarden/secrets/receiver-token"
    before = (checkout / ".env").read_text(), token.read_text()
    said = compose_env(checkout, tmp_path / "home", "/elsewhere")
    assert "is left as it is" in said
    assert ((checkout / ".env").read_text(), token.read_text()) == before


def test_the_users_own_configuration_is_taken(checkout: Path, tmp_path: Path) -> None:
    own = tmp_path / "home/.config/trainwarden/trainwarden.yml"
    own.parent.mkdir(parents=True)
    own.write_text("{}")
    compose_env(checkout, tmp_path / "home")
    assert f"TRAINWARDEN_CONFIG_FILE={own}" in (checkout / ".env").read_text()
