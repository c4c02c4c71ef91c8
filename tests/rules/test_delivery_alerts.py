"""Whether alerts reach anybody: Prometheus and Alertmanager by their own metrics, which the real ones export."""

from pathlib import Path

import pytest

from tests.rules.promtool import Stands, check, stands
from tests.rules.story import INSTANCE, Levels, Night, up
from tests.rules.surroundings import upstream
from trainwarden.stack.tools import Tools

GROUP = "/rules/run.yml;trainwarden-run"
ZERO_FOR_20: Levels = ((0, 1), (20, 0), (40, 1))
THREE_AT_20: Levels = ((0, 0), (20, 3))


def _counted(metric: str, **labels: str) -> Night:
    """Three more at 20."""
    return Night(60, also={upstream(metric, INSTANCE, **labels): THREE_AT_20})


NIGHTS: dict[str, tuple[Night, list[Stands]]] = {
    "Alertmanager is down": (
        Night(60, also={up("alertmanager"): ZERO_FOR_20}),
        [stands("TrainwardenAlertmanagerDown", "critical", 23, 40)],
    ),
    "Prometheus knows no Alertmanager": (
        Night(60, also={upstream("prometheus_notifications_alertmanagers_discovered"): ZERO_FOR_20}),
        [stands("TrainwardenAlertmanagerDown", "critical", 26, 40)],
    ),
    "Alertmanager misses one scrape": (Night(40, also={up("alertmanager"): ((0, 1), (20, 0), (20.5, 1))}), []),
    "alerts are dropped": (
        _counted("prometheus_notifications_dropped_total"),
        [stands("TrainwardenAlertsDropped", "critical", 21, 30)],
    ),
    "Slack does not take them": (
        _counted("alertmanager_notifications_failed_total", integration="slack"),
        [stands("TrainwardenNotificationsFailing", "critical", 21, 35, integration="slack")],
    ),
    "the receiver does not take them": (
        _counted("alertmanager_notifications_failed_total", integration="webhook"),
        [stands("TrainwardenNotificationsFailing", "critical", 21, 35, integration="webhook")],
    ),
    "rules cannot be evaluated": (
        _counted("prometheus_rule_evaluation_failures_total"),
        [stands("TrainwardenRulesFailing", "critical", 21, 30, rule_group=GROUP)],
    ),
    "rules are evaluated late": (
        _counted("prometheus_rule_group_iterations_missed_total"),
        [stands("TrainwardenRulesLate", "warning", 25, 35)],
    ),
    "Prometheus refused its configuration": (
        Night(60, also={upstream("prometheus_config_last_reload_successful"): ZERO_FOR_20}),
        [stands("TrainwardenConfigurationNotLoaded", "warning", 26, 40)],
    ),
    "Alertmanager refused its configuration": (
        Night(60, also={upstream("alertmanager_config_last_reload_successful"): ZERO_FOR_20}),
        [stands("TrainwardenConfigurationNotLoaded", "warning", 26, 40)],
    ),
    "they were started anew, and count from 0": (
        Night(60, also={upstream("prometheus_notifications_dropped_total"): ((0, 3), (20, 0))}),
        [],
    ),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_it_stands_from_its_minute_until_it_is_over(night: str, tools: Tools, tmp_path: Path) -> None:
    check(tools.promtool, tmp_path, night, *NIGHTS[night])
