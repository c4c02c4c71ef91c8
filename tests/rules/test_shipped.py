"""The shipped rules hold together: with promtool, the exporter's names, the guide's thresholds, and the runbooks."""

import importlib
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules import exported, shipped
from tests.rules.promtool import Stands
from tests.rules.shipped import FILES, RULES
from tests.rules.story import Night, columns
from tests.rules.surroundings import UPSTREAM
from tests.rules.texts import TEXTS
from trainwarden import guide, names
from trainwarden.stack.tools import Tools

REPOSITORY = RULES.parents[1]
RUNBOOKS = REPOSITORY / "docs" / "runbooks"
ALERTS = shipped.alerts()
MODULES = sorted(
    f"tests.rules.{path.stem}" for path in Path(__file__).parent.glob("test_*.py") if "Night(" in path.read_text()
)
NAMED = [pytest.param(rule, id=f"{rule['alert']}-{rule['labels']['severity']}") for rule in ALERTS]


def test_promtool_finds_nothing(tools: Tools) -> None:
    done = subprocess.run(
        [tools.promtool, "check", "rules", "--lint=all", "--lint-fatal", *FILES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_accepted_with_the_rules_and_targets_in_place(tools: Tools) -> None:
    done = subprocess.run(
        [tools.promtool, "check", "config", RULES.parent / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(FILES)} rule files found" in done.stdout
    assert "WARNING" not in done.stdout + done.stderr


def test_a_group_is_called_like_its_file() -> None:
    found = {yaml.safe_load(file.read_text())["groups"][0]["name"] for file in FILES}
    assert found == set(shipped.GROUPS)


def test_every_metric_is_one_that_the_code_exports() -> None:
    assert shipped.metrics() <= set(exported.labels())


def test_every_label_of_a_selector_is_one_of_its_metric() -> None:
    known = exported.labels()
    wrong = [s for s in shipped.selectors() if not set(s.matchers) <= known.get(s.metric, set()) | exported.BY_SCRAPE]
    assert wrong == []


@pytest.mark.parametrize(
    ("metric", "table"), [("trainwarden_threshold", guide.MACHINE), ("trainwarden_run_threshold", guide.RUN)]
)
def test_every_threshold_is_the_guides(metric: str, table: tuple[guide.Threshold, ...]) -> None:
    used = {(s.matchers["signal"], s.matchers["level"]) for s in shipped.selectors() if s.metric == metric}
    assert used <= {(threshold.signal, threshold.level) for threshold in table}


def test_missing_thresholds_are_counted_against_the_guides_tables() -> None:
    (rule,) = [rule for rule in ALERTS if rule["alert"] == "TrainwardenThresholdsMissing"]
    counts = re.findall(r"\((trainwarden_\w+)\[3m\]\)\) >= (\d+)", rule["expr"])
    assert dict(counts) == {
        "trainwarden_threshold": str(len(guide.MACHINE)),
        "trainwarden_run_threshold": str(len(guide.RUN)),
    }


def test_every_job_that_a_rule_names_is_scraped() -> None:
    configuration = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in configuration["scrape_configs"]}
    assert {s.matchers["job"] for s in shipped.selectors() if "job" in s.matchers} <= jobs
    assert {job for job, _ in UPSTREAM.values()} <= jobs


def test_both_jobs_are_of_one_machine() -> None:
    targets = [
        yaml.safe_load((RULES.parent / "targets" / f"{role}.yml").read_text()) for role in ("exporter", "receiver")
    ]
    exporter, receiver = ([entry["labels"]["instance"] for entry in entries] for entries in targets)
    assert exporter == receiver
    assert all(":" not in instance for instance in exporter)


@pytest.mark.parametrize("rule", NAMED)
def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    told = {"summary", "description", "remedy", "dashboard_url", "runbook_url"}
    assert set(rule["annotations"]) - {"escalation"} == told
    assert rule["annotations"]["summary"].endswith(".")
    page = f"https://github.com/trainwarden/trainwarden/blob/main/docs/runbooks/{rule['alert']}.md"
    assert rule["annotations"]["runbook_url"] == page


def test_danger_says_that_it_was_a_warning_before_and_nothing_else_does() -> None:
    """In the messages an escalation is seen by it (alertmanager/templates)."""
    levels = {name: {rule["labels"]["severity"] for rule in ALERTS if rule["alert"] == name} for name in _names()}
    of_two = {(name, "critical") for name, severities in levels.items() if {"warning", "critical"} <= severities}
    assert {(r["alert"], r["labels"]["severity"]) for r in ALERTS if "escalation" in r["annotations"]} == of_two


def _names() -> set[str]:
    return {rule["alert"] for rule in ALERTS}


def test_every_alert_has_a_text_that_the_nights_compare() -> None:
    told = {(text["alert"], text["severity"]) for text in TEXTS}
    assert told == {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS} - {("TrainwardenWatchdog", "info")}


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in ALERTS}


def test_only_the_restart_alerts_ask_for_a_restart_and_they_name_the_generation() -> None:
    restarting = {rule["alert"]: rule for rule in ALERTS if rule["labels"].get("action") == "restart"}
    assert set(restarting) == set(names.RESTART_ALERTS)
    assert all("run:trainwarden_run_generation:newest" in rule["expr"] for rule in restarting.values())
    assert all("keep_firing_for" not in rule for rule in restarting.values())


@pytest.mark.parametrize("module", MODULES)
def test_the_input_series_of_the_rule_tests_are_those_that_are_exported(module: str) -> None:
    """Of the exporter by its golden page, of the others by the names that their own tests hold them to."""
    told = {exported.name_and_labels(series) for night in _nights(module) for series in columns(_thin(night))}
    assert told <= exported.series()


def test_every_alert_is_seen_to_stand_and_to_end() -> None:
    told = [one for module in MODULES for one in _expected(vars(importlib.import_module(module)).values())]
    every = {(rule["alert"], rule["labels"]["severity"]) for rule in ALERTS} - {("TrainwardenWatchdog", "info")}
    assert {(one.alert, one.severity) for one in told} == every
    assert {(one.alert, one.severity) for one in told if one.until is not None} == every


def _expected(values: Iterable[Any]) -> Iterator[Stands]:
    """What is expected in the nights of a module's tables."""
    for value in values:
        if isinstance(value, Stands):
            yield value
        elif isinstance(value, dict | list | tuple):
            yield from _expected(value.values() if isinstance(value, dict) else value)


def _thin(night: Night) -> Night:
    """The same night, scraped seldom: which series there are is seen as well."""
    return replace(night, scrape_seconds=180)


def _nights(module: str) -> list[Night]:
    """Every night that a test module tells."""
    tables = [value for value in vars(importlib.import_module(module)).values() if isinstance(value, dict)]
    told = [value for table in tables for value in table.values()]
    return [
        one for value in told for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Night)
    ]
