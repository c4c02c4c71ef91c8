"""How `notify:` becomes Alertmanager's configuration, and every secret's file with which no message would arrive."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.stack.test_render import ADDRESSES, secret
from trainwarden import config as configuration
from trainwarden.config import QuietConfig, QuietTime
from trainwarden.errors import ConfigurationError
from trainwarden.stack.people import check_secrets, quiet_times
from trainwarden.stack.render import render

EMAIL = {"to": "me@example.org", "from": "w@example.org", "smarthost": "smtp.example.org:587", "username": "w"}


def notify(key: str, file: Path) -> dict[str, Any]:
    """A configuration in which this secret is named."""
    return {
        "notify.slack.api_url_file": {"slack": {"api_url_file": str(file), "channel": "#training"}},
        "notify.email.password_file": {"email": {**EMAIL, "password_file": str(file)}},
        "notify.webhook.url_file": {"webhook": {"url_file": str(file)}},
        "notify.webhook.token_file": {"webhook": {"url": "https://example.org", "token_file": str(file)}},
        "notify.heartbeat_url_file": {"heartbeat_url_file": str(file)},
    }[key]


KEYS = ("slack.api_url_file", "email.password_file", "webhook.url_file", "webhook.token_file", "heartbeat_url_file")
ALL = pytest.mark.parametrize("key", [f"notify.{key}" for key in KEYS])


def refused(key: str, file: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_secrets(configuration.parse({"notify": notify(key, file)}, "test").notify)
    said = str(caught.value)
    assert said.startswith(f"{key}: {file}")
    return said.removeprefix(f"{key}: {file}")


@ALL
def test_a_secret_that_is_not_there_is_named(key: str, tmp_path: Path) -> None:
    assert refused(key, tmp_path / "missing") == ": there is no such file; write the secret into it"


@ALL
def test_an_empty_one_is_named(key: str, tmp_path: Path) -> None:
    file = Path(secret(tmp_path / "secret", "\n"))
    assert refused(key, file) == " is empty; write the secret into it"


@ALL
def test_one_that_others_may_read_is_refused(key: str, tmp_path: Path) -> None:
    file = Path(secret(tmp_path / "secret", "https://example.org/x"))
    file.chmod(0o644)
    assert refused(key, file) == f" is open to others (mode 644): chmod 600 {file}"


@ALL
def test_what_is_refused_is_not_repeated(key: str, tmp_path: Path) -> None:
    file = Path(secret(tmp_path / "secret", "hunter2\nhunter3"))
    assert refused(key, file) == ": must hold the secret alone, on one line"


def test_an_address_that_is_none_is_named(tmp_path: Path) -> None:
    file = Path(secret(tmp_path / "secret", "hooks.slack.com/services/hunter2"))
    assert refused("notify.slack.api_url_file", file) == ": holds no address; it begins with https:// or http://"


def test_a_password_with_a_lines_end_is_named_which_old_alertmanagers_would_send(tmp_path: Path) -> None:
    said = refused("notify.email.password_file", Path(secret(tmp_path / "secret", "hunter2\n")))
    assert said.endswith(f"write it without: printf %s PASSWORD >{tmp_path / 'secret'}")
    assert "hunter2" not in said


def test_nothing_is_rendered_while_a_secret_is_missing(tmp_path: Path) -> None:
    config = configuration.parse({"notify": {"heartbeat_url_file": str(tmp_path / "missing")}}, "test")
    with pytest.raises(ConfigurationError, match="there is no such file"):
        render(config, tmp_path / "rendered", addresses=ADDRESSES, token_file="/token")
    assert not (tmp_path / "rendered").exists()


def stretches(*times: QuietTime) -> list[dict[str, Any]]:
    found = quiet_times(QuietConfig(time_zone="Europe/Berlin", times=list(times)))["time_intervals"]
    assert {stretch.pop("location") for stretch in found} == {"Europe/Berlin"}
    return list(found)


def stretch(begin: str, end: str, *days: str) -> dict[str, Any]:
    return {"times": [{"start_time": begin, "end_time": end}], **({"weekdays": list(days)} if days else {})}


def test_quiet_through_midnight_is_two_stretches() -> None:
    assert stretches(QuietTime(from_="22:00", to="07:00")) == [stretch("22:00", "24:00"), stretch("00:00", "07:00")]


def test_the_morning_after_a_named_evening_is_the_next_day() -> None:
    assert stretches(QuietTime(from_="22:00", to="9:30", days=["saturday", "sunday"])) == [
        stretch("22:00", "24:00", "saturday", "sunday"),
        stretch("00:00", "09:30", "monday", "sunday"),
    ]


def test_quiet_until_midnight_is_one_stretch() -> None:
    for midnight in ("24:00", "00:00"):
        assert stretches(QuietTime(from_="20:00", to=midnight)) == [stretch("20:00", "24:00")]


def test_an_unquoted_time_is_minutes_to_yaml_and_meant_as_it_is_written(tmp_path: Path) -> None:
    raw = yaml.safe_load("{time_zone: UTC, times: [{from: 22:00, to: 23:15}]}")
    assert raw["times"] == [{"from": 1320, "to": 1395}]
    quiet = configuration.parse({"notify": {"quiet": raw}}, "test").notify.quiet
    assert quiet is not None
    assert quiet_times(quiet)["time_intervals"][0]["times"] == [{"start_time": "22:00", "end_time": "23:15"}]


def test_only_warnings_wait(tmp_path: Path) -> None:
    quiet = {"time_zone": "UTC", "times": [{"from": "22:00", "to": "07:00"}]}
    config = configuration.parse({"notify": {"quiet": quiet}}, "test")
    render(config, tmp_path, addresses=ADDRESSES, token_file="/token")
    routes = yaml.safe_load((tmp_path / "alertmanager/alertmanager.yml").read_text())["route"]["routes"]
    assert [route["matchers"] for route in routes if "mute_time_intervals" in route] == [['severity="warning"']]


GRAFANA = {**ADDRESSES, "grafana": "127.0.0.1:13000"}


@pytest.mark.parametrize(
    ("own", "addresses", "link"),
    [
        (None, GRAFANA, "http://127.0.0.1:13000/d/"),
        ("https://grafana.example.org/", GRAFANA, "https://grafana.example.org/d/"),
        (None, ADDRESSES, "/d/"),
    ],
)
def test_dashboards_are_linked_where_grafana_answers(
    tmp_path: Path, own: str | None, addresses: dict[str, str], link: str
) -> None:
    """Where there is none, what is left is no address, and messages leave it out."""
    config = configuration.parse({"notify": {"grafana_url": own} if own else {}}, "test")
    render(config, tmp_path, addresses=addresses, token_file="/token")
    rules = [yaml.safe_load(file.read_text()) for file in (tmp_path / "prometheus/rules").glob("*.yml")]
    alerts = [rule for content in rules for group in content["groups"] for rule in group["rules"] if "alert" in rule]
    assert len(alerts) > 20
    assert all(alert["annotations"]["dashboard_url"].startswith(link) for alert in alerts)
