"""The scaled copy differs from the shipped rules in durations only, and still names a hung run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules.promtool import run
from tests.rules.shipped import RULES
from tests.rules.story import Night, Run, blocked, starting, training
from trainwarden.drill.scaling import rules as scaled_rules
from trainwarden.drill.scaling import scaled
from trainwarden.stack.tools import Tools

DURATION = re.compile(r"\b\d+[smhd]\b")


@pytest.mark.parametrize(
    ("duration", "factor", "expected"),
    [("10m", 60, "10s"), ("2m", 60, "2s"), ("1h30m", 60, "90s"), ("15s", 60, "1s"), ("5m", 600, "1s")],
)
def test_a_duration_is_divided_and_never_below_a_second(duration: str, factor: float, expected: str) -> None:
    assert scaled(duration, factor) == expected


def _without_durations(file: Path) -> Any:
    content = yaml.safe_load(file.read_text())
    for group in content["groups"]:
        group.update({key: "DURATION" for key in ("interval",) if key in group})
        for rule in group["rules"]:
            rule["expr"] = DURATION.sub("DURATION", rule["expr"])
            rule.update({key: "DURATION" for key in ("for", "keep_firing_for") if key in rule})
    return content


def test_nothing_but_durations_changes(tmp_path: Path) -> None:
    for file in scaled_rules(RULES, tmp_path, 60):
        assert _without_durations(file) == _without_durations(RULES / file.name)


def test_every_duration_changes(tmp_path: Path) -> None:
    for file in scaled_rules(RULES, tmp_path, 60):
        rules = [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
        left = [rule for rule in rules if re.search(r"\b\d+[mhd]\b", f"{rule['expr']} {rule.get('for')}")]
        assert left == []


def test_promtool_accepts_it(tools: Tools, tmp_path: Path) -> None:
    files = scaled_rules(RULES, tmp_path, 60)
    done = subprocess.run([tools.promtool, "check", "rules", *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_that_hangs_is_named_within_twenty_seconds(tools: Tools, tmp_path: Path) -> None:
    """Scraped and evaluated every second; blocked at 60 s with a checkpoint older than its limit of 20 s."""
    limits = {("checkpoint_age_seconds", "hung"): 20.0, ("step_age_seconds", "stalled"): 8.0}
    chapters = [starting(1 / 60), training(44 / 60, step=0.5, saves_every=10 / 60), blocked(10)]
    night = Night(1.5, [Run(chapters, launched=15 / 60, thresholds=limits)], scrape_seconds=1)
    hung = 'sum(ALERTS{alertname="TrainwardenRunHung", alertstate="firing", generation="1"})'
    questions = [
        {"expr": hung, "eval_time": "69s", "exp_samples": []},
        {"expr": hung, "eval_time": "80s", "exp_samples": [{"labels": "{}", "value": 1}]},
    ]
    run(tools.promtool, tmp_path, night, scaled_rules(RULES, tmp_path / "rules", 60), promql_expr_test=questions)
