"""Whom an alert reaches, as we read it and as amtool does."""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alertmanager.test_routes import CONFIGURATION
from trainwarden.chain import routes
from trainwarden.stack.tools import Tools

SHIPPED = yaml.safe_load(CONFIGURATION.read_text())
TREE = {
    "route": {
        "receiver": "root",
        "routes": [
            {"receiver": "a", "match": {"severity": "critical"}, "continue": True},
            {
                "match_re": {"run": "l.*"},
                "receiver": "b",
                "routes": [
                    {"matchers": ['alertname=~"X|Y"', 'severity!="info"'], "receiver": "c", "continue": True},
                    {"matchers": ['instance!~"box.*"'], "receiver": "d"},
                    {"matchers": ['alertname="Z"']},
                ],
            },
            {"matchers": ['{alertname="Z", severity="critical"}'], "receiver": "e"},
            {"matchers": ["run=\"a,b \\\"c\\\"\""], "receiver": "f"},
        ],
    },
    "receivers": [{"name": name} for name in ("root", "a", "b", "c", "d", "e", "f")],
}  # fmt: skip
VALUES = {
    "alertname": ("X", "Z", "TrainwardenRunHung", "TrainwardenWatchdog"),
    "severity": ("critical", "warning", "info"),
    "run": ("", "luca", 'a,b "c"'),
    "instance": ("box1", "night"),
    "action": ("", "restart"),
}


def by_amtool(tools: Tools, file: Path, labels: dict[str, str]) -> list[str]:
    pairs = [f"{name}={json.dumps(value)}" for name, value in labels.items()]
    command = [tools.amtool, "config", "routes", "test", f"--config.file={file}", *pairs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().split(",")


@pytest.mark.parametrize("configuration", [SHIPPED, TREE], ids=["shipped", "tree"])
def test_an_alert_reaches_whom_amtool_says(configuration: dict[str, Any], tools: Tools, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(configuration | {"templates": []}))
    every = [dict(zip(VALUES, values, strict=True)) for values in itertools.product(*VALUES.values())]
    for labels in every[::5]:
        given = {name: value for name, value in labels.items() if value}
        ours = [destination.receiver for destination in routes.destinations(configuration, given)]
        assert ours == by_amtool(tools, file, given), given


def test_the_times_in_which_a_branch_is_mute_are_told() -> None:
    route = {"receiver": "root", "routes": [{"matchers": ["a=b"], "mute_time_intervals": ["night"]}]}
    assert routes.destinations({"route": route}, {"a": "b"}) == [("root", ("night",))]
    assert routes.destinations({"route": route}, {}) == [("root", ())]


def test_what_could_keep_an_alert_back_is_told() -> None:
    rule = {"source_matchers": ["alertname=X"], "target_matchers": ['severity="warning"']}
    configuration = {"inhibit_rules": [rule]}
    assert routes.kept_back(configuration, {"severity": "warning"}) == [rule]
    assert routes.kept_back(configuration, {"severity": "critical"}) == []


def test_what_a_receiver_consists_of() -> None:
    configuration = {
        "receivers": [{"name": "a", "webhook_configs": [{"url": "x"}], "slack_configs": [{"channel": "y"}]}]
    }
    assert routes.integrations(configuration, "a") == [("webhook", {"url": "x"}), ("slack", {"channel": "y"})]
    assert routes.integrations(configuration, "b") == []
