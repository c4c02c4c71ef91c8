"""The configuration in force: accepted by Prometheus and Alertmanager in every form, and free of secrets."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from trainwarden import config as configuration
from trainwarden.cli import main
from trainwarden.config import Config
from trainwarden.errors import ConfigurationError, StackError
from trainwarden.stack import assets
from trainwarden.stack.render import render
from trainwarden.stack.tools import Tools

ADDRESSES = {
    "exporter": "127.0.0.1:19877",
    "receiver": "127.0.0.1:19878",
    "prometheus": "127.0.0.1:19090",
    "alertmanager": "127.0.0.1:19093",
}
SECRET = "hunter2-that-nobody-may-see"


def secret(file: Path, content: str = SECRET) -> str:
    file.touch(mode=0o600)
    file.write_text(content)
    return str(file)


def slack(folder: Path) -> dict[str, Any]:
    file = secret(folder / "slack-url", f"https://hooks.slack.com/services/{SECRET}")
    return {"api_url_file": file, "channel": "#training"}


def email(folder: Path) -> dict[str, Any]:
    return {
        "to": "me@example.org",
        "from": "warden@example.org",
        "smarthost": "smtp.example.org:587",
        "username": "warden",
        "password_file": secret(folder / "smtp-password"),
    }


def bare_email(folder: Path) -> dict[str, Any]:
    return {"to": "me@example.org", "from": "w@example.org", "smarthost": "localhost:25", "require_tls": False}


def webhook(folder: Path) -> dict[str, Any]:
    return {"url": "https://hooks.example.org/alerts", "token_file": secret(folder / "hook-token")}


def secret_webhook(folder: Path) -> dict[str, Any]:
    return {"url_file": secret(folder / "hook-url", f"https://hooks.example.org/{SECRET}\n")}


def heartbeat(folder: Path) -> str:
    return secret(folder / "heartbeat-url", f"https://hc.example.org/{SECRET}\n")


def quiet(folder: Path) -> dict[str, Any]:
    return {"time_zone": "Europe/Berlin", "times": [{"from": "22:00", "to": "07:00"}]}


NOTIFY: dict[str, dict[str, Callable[[Path], Any]]] = {
    "nothing": {},
    "slack": {"slack": slack},
    "email": {"email": email},
    "email_without_login": {"email": bare_email},
    "webhook": {"webhook": webhook},
    "heartbeat": {"heartbeat_url_file": heartbeat},
    "everything": {
        "slack": slack,
        "email": email,
        "webhook": secret_webhook,
        "heartbeat_url_file": heartbeat,
        "quiet": quiet,
    },
}


@pytest.fixture(params=NOTIFY)
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    notify = {name: make(tmp_path) for name, make in NOTIFY[request.param].items()}
    return configuration.parse({"notify": notify}, "test")


@pytest.fixture
def rendered(config: Config, tmp_path: Path) -> Path:
    token = tmp_path / "token"
    token.write_text(SECRET)
    target = tmp_path / "rendered"
    render(config, target, addresses=ADDRESSES, token_file=str(token), machine="night")
    return target


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_alertmanager_accepts_every_form(rendered: Path, tools: Tools) -> None:
    file = rendered / "alertmanager/alertmanager.yml"
    done = subprocess.run([tools.amtool, "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_people_are_told_where_the_user_said_so(rendered: Path, config: Config) -> None:
    receivers = {entry["name"]: entry for entry in read(rendered / "alertmanager/alertmanager.yml")["receivers"]}
    kinds = {kind.removesuffix("_configs") for kind in receivers["notify"] if kind.endswith("_configs")}
    assert kinds == {name for name in ("slack", "email", "webhook") if getattr(config.notify, name)}


def test_no_secret_is_copied(rendered: Path) -> None:
    written = [path.read_text() for path in rendered.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert not any(SECRET in text for text in written)


def plain(target: Path) -> None:
    render(Config(), target, addresses=ADDRESSES, token_file="/secrets/token", machine="night")


def test_prometheus_accepts_it_and_finds_the_targets(tmp_path: Path, tools: Tools) -> None:
    plain(tmp_path / "rendered")
    file = tmp_path / "rendered/prometheus/prometheus.yml"
    done = subprocess.run([tools.promtool, "check", "config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    targets = tmp_path / "rendered/prometheus/targets"
    for name, address in ADDRESSES.items():
        assert read(targets / f"{name}.yml") == [{"targets": [address], "labels": {"instance": "night"}}]


def test_every_target_file_that_prometheus_names_is_written(tmp_path: Path) -> None:
    plain(tmp_path / "rendered")
    text = (tmp_path / "rendered/prometheus/prometheus.yml").read_text()
    named = {line.split("[")[1].rstrip("]") for line in text.splitlines() if "files: [" in line}
    assert named == {f"targets/{name}.yml" for name in ADDRESSES}


def test_the_links_of_alerts_lead_to_the_grafana_that_people_reach(tmp_path: Path) -> None:
    def links(folder: str, **further: str) -> set[str]:
        target = tmp_path / folder
        render(Config(), target, addresses={**ADDRESSES, **further}, token_file="/secrets/token", machine="night")
        files = [read(file) for file in (target / "prometheus/rules").glob("*.yml")]
        rules = [rule for file in files for group in file["groups"] for rule in group["rules"] if "alert" in rule]
        return {rule["annotations"]["dashboard_url"].partition("/d/")[0] for rule in rules}

    assert links("none") == {""}
    assert links("another", grafana="gpu-box:3030") == {"http://gpu-box:3030"}


def test_the_webhook_reaches_the_receiver_with_the_token(tmp_path: Path) -> None:
    plain(tmp_path / "rendered")
    receivers = read(tmp_path / "rendered/alertmanager/alertmanager.yml")["receivers"]
    (webhook,) = next(entry for entry in receivers if entry["name"] == "trainwarden")["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:19878/alerts"
    authorization = webhook["http_config"]["authorization"]
    assert authorization == {"type": "Bearer", "credentials_file": "/secrets/token"}


def test_exporter_and_receiver_run_by_the_users_configuration_and_the_addresses_in_force(tmp_path: Path) -> None:
    own = configuration.parse({"thresholds": {"swap_used_bytes": {"warning": 1}}, "runs": {"luca": {}}}, "test")
    render(own, tmp_path, addresses=ADDRESSES, token_file="/secrets/token")
    found = configuration.load(tmp_path / "trainwarden.yml")
    assert found.receiver.exporter_url == "http://127.0.0.1:19877/metrics"
    assert found.receiver.token_file == "/secrets/token"
    assert (found.thresholds, found.runs) == (own.thresholds, own.runs)


@pytest.mark.parametrize(
    ("edge", "setting", "flag"),
    [
        ("exporter", {"telemetry_path": "/readings"}, "--web.telemetry-path"),
        ("receiver", {"web_config_file": "web.yml"}, "--web.config.file"),
    ],
)
def test_what_would_leave_the_stacks_services_without_an_answer_is_refused_before_a_file_is_written(
    edge: str, setting: dict[str, str], flag: str, tmp_path: Path
) -> None:
    own = configuration.parse({edge: setting}, "test")
    with pytest.raises(ConfigurationError) as caught:
        render(own, tmp_path / "rendered", addresses=ADDRESSES, token_file="/secrets/token")
    (key,) = setting
    assert str(caught.value) == (
        f"{edge}.{key}: in a stack all speak plain HTTP at /metrics, which only this machine reaches; remove it, and"
        f" start one that is to have it by itself: trainwarden {edge} {flag} …"
    )
    assert not (tmp_path / "rendered").exists()


def test_grafana_is_told_where_prometheus_and_the_dashboards_are(tmp_path: Path) -> None:
    plain(tmp_path)
    provisioning = tmp_path / "grafana/provisioning"
    assert read(provisioning / "datasources/trainwarden.yml")["datasources"][0]["url"] == "http://127.0.0.1:19090"
    folder = Path(read(provisioning / "dashboards/trainwarden.yml")["providers"][0]["options"]["path"])
    assert {path.name for path in folder.glob("*.json")} == {
        path.name for path in (assets.find().grafana / "dashboards").glob("*.json")
    }


def test_a_second_rendering_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    plain(tmp_path)
    (tmp_path / "prometheus/rules/of_an_older_version.yml").touch()
    plain(tmp_path)
    assert not (tmp_path / "prometheus/rules/of_an_older_version.yml").exists()


def test_what_others_wrote_or_edited_there_is_kept_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        render(Config(), tmp_path, addresses=ADDRESSES, token_file="/run/token")
        (tmp_path / "prometheus/rules/mine.yml").write_text(f"groups: [] # {number}")
        edited = tmp_path / "prometheus/prometheus.yml"
        edited.write_text(edited.read_text() + f"# mine {number}")
    render(Config(), tmp_path, addresses=ADDRESSES, token_file="/run/token")
    for number in (1, 2):
        kept = tmp_path / ".kept" / str(number) / "prometheus"
        assert sorted(path.name for path in kept.rglob("*.yml")) == ["mine.yml", "prometheus.yml"]
        assert (kept / "rules/mine.yml").read_text() == f"groups: [] # {number}"
        assert (kept / "prometheus.yml").read_text().endswith(f"# mine {number}")
    assert not (tmp_path / ".kept/3").exists(), "what nobody touched is not kept"
    assert not (tmp_path / "prometheus/rules/mine.yml").exists()
    assert "# mine" not in (tmp_path / "prometheus/prometheus.yml").read_text()


def test_what_a_link_there_leads_to_is_left_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    target = tmp_path / "rendered"
    plain(target)
    for place in (target / "mine", target / "prometheus/mine"):
        place.symlink_to(tmp_path / "mine")
    plain(target)
    assert (tmp_path / "mine/notes.txt").read_text() == "mine"
    assert [(target / ".kept/1" / name).is_symlink() for name in ("mine", "prometheus/mine")] == [True, True]


def test_a_folder_that_holds_other_things_is_not_touched(tmp_path: Path) -> None:
    shutil.copytree(assets.find().prometheus, tmp_path / "prometheus")
    with pytest.raises(StackError) as caught:
        plain(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds other things; give an empty folder, or one that does not exist yet"
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus"]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["render", "/proc/trainwarden"])
    assert done.exit_code == 1
    assert done.stderr == "trainwarden: /proc/trainwarden: No such file or directory\n"
