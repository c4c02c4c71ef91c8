"""What a person reads of each thing that becomes of a restart."""

from typing import NamedTuple

import pytest

from tests.messages.alarm import Alarm
from tests.messages.post import Hook, Mailbox
from tests.messages.shipped import alert, over
from tests.rules import shipped
from tests.support.wait import wait_until


class Said(NamedTuple):
    """A title, what happens, and how the line of what is done begins."""

    title: str
    happens: str
    done: str
    color: str


RUN = "Run lora on workstation"
OUTCOMES = {
    ("TrainwardenRunRestarting", "info"): Said(
        f"RESTARTING: {RUN} is being restarted.",
        "It goes on as launch 2. The restart is in the state probation; restarts left before a human is called: 3.",
        "To do: Nothing to do. It counts as recovered when the new launch has shown new steps.",
        "#439FE0",
    ),
    ("TrainwardenRunRecovered", "info"): Said(
        f"RECOVERED: {RUN} was restarted and trains on.",
        "Launch 2 of the run resumed at step 5132. Lost: 11m 0s and 113 steps, which are taken again. That was 5m 0s"
        " ago.",
        "To do: Nothing to do. The ledger says what was wrong",
        "good",
    ),
    ("TrainwardenRunAdapted", "info"): Said(
        f"ADAPTED: {RUN} goes on with other settings.",
        "It ran out of memory, and launch 2 took the guide's remedy vram A: vae_batch_size: 2 → 1. Your own file is"
        " as it was.",
        "To do: Nothing to do for this run.",
        "#439FE0",
    ),
    ("TrainwardenRestartHeld", "warning"): Said(
        f"WARNING: {RUN} is not restarted for now.",
        "An alert asks for its restart, and trainwarden has held for more than 15m 0s. Its reason: checkpoints_silent."
        " It looks again every minute.",
        "To do: trainwarden explain lora says what was seen.",
        "warning",
    ),
    ("TrainwardenRestartBudgetLow", "warning"): Said(
        "WARNING: The restarts of run lora on workstation are nearly used up.",
        "Restarts left before a human is called: 1; the warning stands at 1. A new whole checkpoint fills",
        "To do: Find out what it dies of before it does again: trainwarden explain lora",
        "warning",
    ),
    ("TrainwardenRestartGaveUp", "critical"): Said(
        f"CRITICAL: {RUN} was given up.",
        "Trainwarden does nothing more for it. Its reason:",
        "To do: The runbook says what helps against each reason.",
        "danger",
    ),
    ("TrainwardenRestartWedged", "critical"): Said(
        f"CRITICAL: {RUN} cannot be stopped.",
        "A process of it is still there after SIGKILL: the driver or a disk holds it. Trainwarden launches nothing",
        "To do: Reboot the machine",
        "danger",
    ),
    ("TrainwardenRestartLedger", "critical"): Said(
        "CRITICAL: The ledger of run lora on workstation cannot be used.",
        "Trainwarden's reason: ledger_un",
        "To do: Look at ledger.jsonl in the run's folder",
        "danger",
    ),
    ("TrainwardenRestartNeedsHuman", "critical"): Said(
        f"CRITICAL: {RUN} needs you.",
        "Trainwarden cannot help the run by itself. Its reason:",
        "To do: The run's ledger (ledger.jsonl in its folder) says what was tried",
        "danger",
    ),
}


def test_none_is_left_out() -> None:
    assert {(r["alert"], r["labels"]["severity"]) for r in shipped.alerts_of("outcome")} == set(OUTCOMES)


def test_each_is_told_in_two_lines(told: Alarm, slack: Hook) -> None:
    told.send(*(alert(*outcome) for outcome in OUTCOMES))
    wait_until(lambda: len(slack.posted) == len(OUTCOMES), 30, "all are told")
    found = {}
    for message in slack.posted:
        (part,) = message.body["attachments"]
        found[part["title"]] = (*part["text"].splitlines()[:2], part["color"])
    assert set(found) == {said.title for said in OUTCOMES.values()}
    for said in OUTCOMES.values():
        happens, done, color = found[said.title]
        assert happens.startswith(f"{said.title.partition(': ')[2]} {said.happens}")
        assert done.startswith(said.done)
        assert color == said.color


def test_that_a_run_recovered_is_told_once_and_its_end_is_no_news(told: Alarm, slack: Hook, mailbox: Mailbox) -> None:
    recovered = alert("TrainwardenRunRecovered", "info")
    told.send(recovered)
    wait_until(lambda: slack.posted and mailbox.mails, 20, "it is told")
    told.send(over(recovered), alert("TrainwardenRunStalled", "critical"))
    wait_until(lambda: len(mailbox.mails) == 2 and len(slack.posted) == 2, 20, "the next is told")
    (mail, _) = mailbox.mails
    assert mail.subject == f"RECOVERED: {RUN} was restarted and trains on."
    assert "resumed at step 5132. Lost: 11m 0s and 113 steps" in mail.text("plain")
    assert "border-top:6px solid #2f7d32" in mail.text("html")
    assert [title for title, _ in slack.texts()] == [mail.subject, f"CRITICAL: {RUN} has stopped stepping."]


@pytest.mark.parametrize("outcome", ["TrainwardenRunRestarting", "TrainwardenRunRecovered", "TrainwardenRunAdapted"])
def test_the_same_of_the_next_launch_is_a_message_of_its_own(outcome: str, told: Alarm, slack: Hook) -> None:
    told.send(alert(outcome, "info"))
    wait_until(lambda: slack.posted, 20, "the first is told")
    told.send(alert(outcome, "info"), alert(outcome, "info", generation="3"))
    wait_until(lambda: len(slack.posted) == 2, 20, "the second is told")
    (first, about_first), (second, about_second) = slack.texts()
    assert first == second
    assert about_second == about_first.replace("aunch 2", "aunch 3")
    assert "generation" not in about_second, "who silences one silences those to come"


@pytest.mark.parametrize("outcome", [name for name, severity in OUTCOMES if severity == "info"])
def test_what_is_only_information_is_told_by_its_label(outcome: str) -> None:
    (rule,) = [rule for rule in shipped.alerts() if rule["alert"] == outcome]
    assert rule["labels"] == {"severity": "info", "notify": "outcome"}
