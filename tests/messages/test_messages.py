"""What a person reads in Slack and in a mail: firing, grouped, escalated, over. The alerts are the shipped ones."""

from tests.messages.alarm import Alarm
from tests.messages.post import Hook, Mailbox
from tests.messages.shipped import alert, over
from tests.support.wait import wait_until

RUNBOOKS = "https://github.com/trainwarden/trainwarden/blob/main/docs/runbooks"
SILENCES = "http://alertmanager.example:9093/#/silences/new?filter="
COOL_DOWN = (
    "To do: Look at fans, dust and the room; lower the card's power limit. Where the card is made for it, raise"
    " thresholds.gpu_temperature_celsius in trainwarden.yml."
)


def read(slack: Hook, number: int) -> tuple[str, list[str]]:
    """Title and lines of Slack's message of that number."""
    texts = wait_until(lambda: slack.texts() if len(slack.texts()) >= number else None, 20, f"message {number}")
    title, text = texts[number - 1]
    return title, text.splitlines()


def test_firing_two_lines_say_what_happens_and_what_is_done_about_it(told: Alarm, slack: Hook) -> None:
    told.send(alert("TrainwardenRunHung", "critical"))
    title, lines = read(slack, 1)
    assert title == "CRITICAL: Run lora on workstation hangs."
    assert lines[:2] == [
        "Run lora on workstation hangs. No step and idle GPUs (at most 5%) for ten minutes, and nothing saved for"
        " 34m 0s, more than 30m 0s. This is launch 1 of the run.",
        "Trainwarden looks again and restarts the run from its newest whole checkpoint. By hand: trainwarden stop lora,"
        " then start it again from that checkpoint. You will be told what became of it.",
    ]
    (posted,) = slack.posted
    (part,) = posted.body["attachments"]
    assert (posted.body["channel"], part["color"]) == ("#training", "danger")
    assert part["title_link"] == f"{RUNBOOKS}/TrainwardenRunHung.md"


def test_of_a_run_it_links_runbook_dashboard_graph_and_silence(told: Alarm, slack: Hook) -> None:
    told.send(alert("TrainwardenRunStalled", "critical"))
    _, lines = read(slack, 1)
    labels = (
        ("alertname", "TrainwardenRunStalled"),
        ("instance", "workstation"),
        ("run", "lora"),
        ("severity", "critical"),
    )
    wanted = "%7B" + "%2C".join(f"{name}%3D%22{value}%22" for name, value in labels) + "%7D"
    assert lines[1].startswith("Trainwarden leaves the run as it is. To do: Look at the run's last output")
    assert lines[2:] == [
        f"<{RUNBOOKS}/TrainwardenRunStalled.md|Runbook>"
        " · <http://127.0.0.1:3000/d/trainwarden-run?var-instance=workstation&var-run=lora|Dashboard>"
        " · <http://prometheus.example:9090/graph?g0.expr=it|Graph>"
        f" · <{SILENCES}{wanted}|Silence>"
    ]


def test_grouped_the_gpus_of_a_machine_are_one_message(told: Alarm, slack: Hook, mailbox: Mailbox) -> None:
    told.send(*(alert("TrainwardenGpuHot", "warning", gpu=gpu) for gpu in "012"))
    title, lines = read(slack, 1)
    assert title == "WARNING ×3: TrainwardenGpuHot · workstation"
    assert lines[:-1] == [
        *(f"GPU {gpu} on workstation is warm. The GPU is at 90 °C; the warning stands above 75 °C." for gpu in "012"),
        COOL_DOWN,
    ]
    (mail,) = wait_until(lambda: mailbox.mails, 20, "the mail")
    assert mail.subject == title
    assert mail.text("plain").splitlines()[:4] == lines[:4]


def test_escalated_danger_says_that_it_was_a_warning_and_mutes_it(told: Alarm, slack: Hook) -> None:
    warning = alert("TrainwardenMemoryHigh", "warning")
    told.send(warning)
    assert read(slack, 1)[0] == "WARNING: RAM on workstation is filling up."
    told.send(warning, alert("TrainwardenMemoryHigh", "critical"))
    title, lines = read(slack, 2)
    assert title == "CRITICAL (was WARNING): RAM on workstation is nearly full."
    assert lines[0] == (
        "RAM on workstation is nearly full. 90% of the RAM is in use; danger begins above 85%."
        " It was a warning for 9m 30s before."
    )
    assert slack.posted[1].body["attachments"][0]["color"] == "danger"


def test_after_an_escalation_the_end_of_danger_is_not_the_end_of_the_warning(told: Alarm, slack: Hook) -> None:
    warning, danger = alert("TrainwardenMemoryHigh", "warning"), alert("TrainwardenMemoryHigh", "critical", since=600)
    told.send(warning)
    read(slack, 1)
    told.send(warning, danger)
    read(slack, 2)
    told.send(warning, over(danger))
    title, lines = read(slack, 3)
    assert title == "OVER: RAM on workstation is nearly full."
    assert lines[0].startswith("Over after 10m")
    assert lines[0].endswith(": RAM on workstation is nearly full. The warning is over only when you are told so.")
    told.send(over(warning))
    title, lines = read(slack, 4)
    assert title == "OVER: RAM on workstation is filling up."
    assert slack.posted[3].body["attachments"][0]["color"] == "good"


def test_over_for_a_part_of_a_group_says_what_still_stands(told: Alarm, slack: Hook) -> None:
    first, second = (alert("TrainwardenGpuHot", "warning", gpu=gpu, since=1200) for gpu in "01")
    told.send(first, second)
    read(slack, 1)
    told.send(over(first), second)
    title, lines = read(slack, 2)
    assert title == "WARNING: GPU 1 on workstation is warm. (1 over)"
    assert lines[0] == "GPU 1 on workstation is warm. The GPU is at 90 °C; the warning stands above 75 °C."
    assert lines[2].startswith("Over after 20m")
    assert lines[2].endswith(": GPU 0 on workstation is warm.")


def test_without_grafana_no_dashboard_is_linked(told: Alarm, slack: Hook) -> None:
    slow = alert("TrainwardenRunSlow", "warning")
    slow["annotations"]["dashboard_url"] = "/d/trainwarden-run"  # as it is rendered then
    told.send(slow)
    _, lines = read(slack, 1)
    assert lines[2].startswith(f"<{RUNBOOKS}/TrainwardenRunSlow.md|Runbook> · <http://prometheus.example:9090/")


def test_a_mail_has_a_page_and_a_plain_text_that_say_the_same(told: Alarm, mailbox: Mailbox) -> None:
    told.send(alert("TrainwardenRunSlow", "warning"))
    (mail,) = wait_until(lambda: mailbox.mails, 20, "the mail")
    assert mail.subject == "WARNING: Run lora on workstation is slow."
    assert (mail.message["To"], mail.message["From"]) == ("me@example.org", "warden@example.org")
    assert mail.message.get_content_type() == "multipart/alternative"
    happens, done = mail.text("plain").splitlines()[:2]
    assert happens.startswith("Run lora on workstation is slow. A step took")
    assert done.startswith("Trainwarden leaves the run as it is. To do: In order: max_data_loader_n_workers = 2")
    page = mail.text("html")
    assert f'<h1 style="margin:0 0 12px;font-size:18px">{mail.subject}</h1>' in page
    assert happens.removeprefix("Run lora on workstation is slow. ") in page
    assert f'<a href="{RUNBOOKS}/TrainwardenRunSlow.md">Runbook</a>' in page
    assert f"\nRunbook: {RUNBOOKS}/TrainwardenRunSlow.md\n" in mail.text("plain")


def test_nothing_of_an_alert_is_taken_as_html(told: Alarm, mailbox: Mailbox) -> None:
    told.send(alert("TrainwardenRunSlow", "warning", run="<b>lora</b>"))
    (mail,) = wait_until(lambda: mailbox.mails, 20, "the mail")
    assert "Run <b>lora</b> on" in mail.text("plain")
    assert "Run &lt;b&gt;lora&lt;/b&gt; on" in mail.text("html")
    assert "<b>lora" not in mail.text("html")
