"""What the doctor makes of Alertmanager's counts of messages."""

import pytest
from prometheus_client.samples import Sample

from trainwarden.chain.metrics import Metrics
from trainwarden.doctor import telling
from trainwarden.doctor.finding import Status


def counts(kind: str, sent: float, lost: float) -> Metrics:
    family, labels = "alertmanager_notifications", {"integration": kind}
    return Metrics([Sample(f"{family}_total", labels, sent), Sample(f"{family}_failed_total", labels, lost)])


@pytest.mark.parametrize(
    ("kind", "sent", "lost", "status", "words"),
    [
        ("slack", 3, 0, Status.OK, "slack: 3 sent"),
        ("slack", 3, 1, Status.WARNING, "slack: 3 sent, 1 of them failed"),
        ("slack", 3, 3, Status.FAILED, "slack: all 3 messages since Alertmanager's start failed"),
        # Those to the receiver arrive, and would hide that the user's own do not: the link does not claim more.
        ("webhook", 9, 4, Status.WARNING, "webhook (those to the receiver included): 9 sent, 4 of them failed"),
    ],
)
def test_what_was_sent_and_what_did_not_arrive(kind: str, sent: float, lost: float, status: Status, words: str) -> None:
    found = telling.delivered({kind}, counts(kind, sent, lost))
    assert (found.status, found.found) == (status, words)
