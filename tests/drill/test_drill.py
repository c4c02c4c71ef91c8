"""Drills as a user holds them: the real stack, a real run, real messages; the faults' whole way, and the verdict."""

from typing import Any

import pytest
import yaml

from tests.drill.conftest import DrillHome
from tests.messages.post import hook, mail_server
from tests.support.ports import free_port
from trainwarden.runs import identity

pytestmark = pytest.mark.waits

RESTARTED = ["accepted", "decided", "stopped", "launched", "resumed", "reported", "resolved"]
BEGIN = ["training", "watched", "fault", "exporter", "prometheus"]
WARNED = ["training", "watched", "exporter", "prometheus", "pending", "firing", "alertmanager"]


def links(drill: dict[str, Any]) -> list[str]:
    return [answer["link"] for answer in drill["links"]]


def said(drill: dict[str, Any], link: str) -> str:
    (found,) = [answer["said"] for answer in drill["links"] if answer["link"] == link]
    return str(found)


def held(home: DrillHome, *arguments: str) -> dict[str, Any]:
    """The one drill's result: every link answered, and nothing is left."""
    code, printed, errors = home.drill(*arguments)
    (drill,) = printed["drills"]
    assert (code, printed["ok"], drill["broken"], drill["why"]) == (0, True, "", ""), errors
    assert home.marked() == []
    assert home.files() == []
    times = [answer["since_fault"] for answer in drill["links"] if answer["since_fault"] is not None]
    assert times == sorted(times)
    return dict(drill)


def test_a_crash_is_restarted_once_and_told_as_a_drill(home: DrillHome) -> None:
    with mail_server() as box:
        mail = {"to": "me@example.org", "from": "w@example.org", "smarthost": box.smarthost, "require_tls": False}
        path = home.folder / "trainwarden.yml"
        path.write_text(yaml.safe_dump({"notify": {"email": mail}, "receiver": {"mode": "observe"}}))
        drill = held(home, "crash", "--notify")
    assert links(drill) == [*BEGIN, "firing", "alertmanager", "notified", *RESTARTED, "outcome"]
    assert said(drill, "fault") == "RuntimeError: CUDA error: unknown error"
    assert said(drill, "launched").startswith("generation 2 from drill-crash-0")
    assert said(drill, "outcome") == "generation 2 trains on"
    assert drill["simulated"] == "the readings of GPU and RAM"
    subjects = [mail.subject for mail in box.mails]
    assert subjects
    assert [subject for subject in subjects if "drill-crash" not in subject] == []
    texts = [mail.text("plain") for mail in box.mails]
    assert [text for text in texts if "DRILL-" not in text] == []


@pytest.mark.heavy
def test_a_mail_server_that_does_not_answer_is_named(home: DrillHome) -> None:
    mail = {"to": "me@example.org", "from": "w@example.org", "smarthost": f"localhost:{free_port()}"}
    (home.folder / "trainwarden.yml").write_text(yaml.safe_dump({"notify": {"email": mail}}))
    code, printed, _ = home.drill("crash", "--notify")
    (drill,) = printed["drills"]
    assert (code, drill["broken"]) == (1, "notified")
    assert "e-mail (me@example.org) has taken no message: " in drill["why"]
    assert "connection refused" in drill["why"]
    assert home.files() == []


@pytest.mark.heavy
@pytest.mark.parametrize("secret", [False, True])
def test_where_there_is_only_a_webhook_it_is_told(home: DrillHome, secret: bool) -> None:
    """The receiver's own webhook, which gets the same alert, does not count."""
    with hook() as kept:
        file = home.folder / "webhook-url"
        file.touch(mode=0o600)
        file.write_text(f"{kept.url}/secret")
        webhook = {"url_file": str(file)} if secret else {"url": f"{kept.url}/mine"}
        (home.folder / "trainwarden.yml").write_text(yaml.safe_dump({"notify": {"webhook": webhook}}))
        drill = held(home, "crash", "--notify")
    assert links(drill) == [*BEGIN, "firing", "alertmanager", "notified", *RESTARTED, "outcome"]
    assert {one.path for one in kept.posted} == {"/secret" if secret else "/mine"}
    alerts = [alert for one in kept.posted for alert in one.body["alerts"]]
    assert {alert["labels"]["run"] for alert in alerts} == {"drill-crash"}
    assert {alert["labels"]["instance"].partition("-")[0] for alert in alerts} == {"DRILL"}
    where = "its address is in notify.webhook.url_file" if secret else "127.0.0.1"
    assert said(drill, "notified").endswith(f" by webhook ({where})")


@pytest.mark.heavy
def test_a_webhook_that_refuses_is_named_though_the_receiver_takes_everything(home: DrillHome) -> None:
    with hook() as kept:
        kept.status = 403
        (home.folder / "trainwarden.yml").write_text(yaml.safe_dump({"notify": {"webhook": {"url": kept.url}}}))
        code, printed, _ = home.drill("crash", "--notify")
    (drill,) = printed["drills"]
    assert (code, drill["broken"], printed["notified"]) == (1, "notified", ["webhook"])
    assert "webhook (127.0.0.1) has taken no message: " in drill["why"]
    assert "403" in drill["why"]


@pytest.mark.heavy
def test_it_is_held_beside_a_stack_of_the_users(home: DrillHome) -> None:
    assert home.run(*home.up("--detach", "--demo")).returncode == 0
    before = home.stack.read()
    code, _, errors = home.drill("crash")
    assert code == 0, errors
    assert home.stack.read() == before
    assert [s.name for s in before.services if not identity.lives(s.process)] == []
    assert home.query('{run="drill-crash"}') == []
    assert home.query('count_over_time(ALERTS{severity="critical"}[5m])') == []
    assert home.trainwarden("down").returncode == 0
    assert home.marked() == []


@pytest.mark.heavy
def test_a_hang_is_restarted_once(home: DrillHome) -> None:
    drill = held(home, "hang")
    assert links(drill) == [*BEGIN, "pending", "firing", "alertmanager", *RESTARTED, "outcome"]
    assert said(drill, "decided") == "hung"
    earnest = {answer["link"]: answer["earnest"] for answer in drill["links"]}
    assert (earnest["pending"], earnest["firing"]) == ("30 min since the last checkpoint", "2 min")


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("fault", "alert"), [("leak", "TrainwardenRunMemoryPressure"), ("overheat", "TrainwardenGpuHot")]
)
def test_what_only_warns_restarts_nothing_and_is_resolved(home: DrillHome, fault: str, alert: str) -> None:
    drill = held(home, fault)
    assert links(drill) == [*WARNED, "outcome", "resolved"]
    assert said(drill, "firing").startswith(f"{alert}: ")
    assert said(drill, "outcome") == "generation 1 trains on"


@pytest.mark.heavy
def test_a_full_disk_is_told_of_before_a_save_fails_and_then_a_human_is_called(home: DrillHome) -> None:
    drill = held(home, "disk")
    refused = ["fault", "accepted", "refused", "called", "routed"]
    assert links(drill) == [*WARNED, *refused, "outcome", "resolved"]
    assert said(drill, "exporter") == "0 B left"
    assert said(drill, "firing").startswith(
        "TrainwardenCheckpointRoomLow: The next checkpoint of run drill-disk on DRILL-"
    )
    assert "No space left on device" in said(drill, "refused")
    assert said(drill, "outcome") == "generation 1 is left as it ended"


def test_notify_needs_somebody_to_tell(home: DrillHome) -> None:
    done = home.trainwarden("drill", "crash", "--notify")
    assert done.returncode == 1
    assert done.stderr == (
        "trainwarden: --notify: nobody is to be told; set notify.slack, notify.email or notify.webhook in"
        " trainwarden.yml first (docs/notifications.md)\n"
    )
    assert home.files() == []
