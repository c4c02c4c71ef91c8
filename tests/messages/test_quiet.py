"""Quiet hours, on a real Alertmanager: warnings wait, everything else is told."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tests.messages.alarm import alarm
from tests.messages.conftest import secret
from tests.messages.post import Hook
from tests.messages.shipped import alert
from tests.support.wait import wait_until
from trainwarden.stack.tools import Tools

SLOW = "WARNING: Run lora on workstation is slow."
CRITICAL = {"CRITICAL: Run lora on workstation hangs.", "CRITICAL: Run lora on workstation has stopped stepping."}


def around_now(offset: int) -> dict[str, str]:
    """From an hour before now to an hour after it, or so many hours later; it may go on past midnight."""
    now = datetime.now(timezone.utc) + timedelta(hours=offset)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    return {"from": f"{begin:%H:%M}", "to": f"{end:%H:%M}"}


@pytest.mark.parametrize(("offset", "told"), [(0, CRITICAL), (6, {*CRITICAL, SLOW})])
def test_a_warning_waits_just_while_it_is_quiet(
    offset: int, told: set[str], tmp_path: Path, slack: Hook, tools: Tools
) -> None:
    notify = {
        "slack": {"api_url_file": secret(tmp_path / "slack-url", slack.url), "channel": "#training"},
        "quiet": {"time_zone": "UTC", "times": [around_now(offset)]},
    }
    with alarm(tmp_path, notify, tools) as ready:
        # The last one's second begins when the others' is over: by then the warning has had its turn.
        ready.send(alert("TrainwardenRunSlow", "warning"), alert("TrainwardenRunStalled", "critical"))
        wait_until(lambda: len(slack.texts()) >= len(told) - 1, 20, "the first of them")
        ready.send(alert("TrainwardenRunHung", "critical"))
        wait_until(lambda: len(slack.texts()) >= len(told), 20, "what is told")
    assert {title for title, _ in slack.texts()} == told
