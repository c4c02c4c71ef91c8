"""The links of the chain, and how each is seen to have answered."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from trainwarden import units
from trainwarden.chain.alertmanager import Alertmanager
from trainwarden.chain.metrics import Exporter, Metrics
from trainwarden.chain.prometheus import Alert, Prometheus
from trainwarden.drill import people
from trainwarden.drill.earnest import Earnest
from trainwarden.drill.scratch import Scratch
from trainwarden.errors import TrainwardenError
from trainwarden.restart import events


class Scene(NamedTuple):
    """What a link looks at."""

    run: Scratch
    exporter: Exporter
    prometheus: Prometheus
    alertmanager: Alertmanager
    earnest: Earnest
    alertmanager_log: Path
    told_before: Counter[str]
    """Messages that each way to people had taken before the fault."""

    def alerts(self, name: str, severity: str) -> list[Alert]:
        """Those of this name that stand in Prometheus for the scratch run, or for the machine."""
        return [
            alert
            for alert in self.prometheus.alerts()
            if (alert.name, alert.labels.get("severity")) == (name, severity)
            and alert.labels.get("run", self.run.name) == self.run.name
        ]


class Seen(NamedTuple):
    """A link has answered."""

    said: str
    """What was seen, for people."""
    at: float | None = None
    """When, Unix seconds, where that was written down; else the moment of looking."""


class NotYetError(TrainwardenError):
    """A link has not answered yet, and can say what is in its way."""


Look = Callable[[Scene], Seen | None]
"""None: not yet. Raises ``NotYetError`` where it can say why, and ``AskError`` where a service does not answer."""


class Link(NamedTuple):
    """One link."""

    name: str
    title: str
    look: Look
    earnest: str = ""
    """How long it takes outside of a drill."""
    patience: float = 30.0
    """Seconds after which it counts as broken."""
    first: Callable[[Scratch], None] = lambda _: None
    """What is done before it is waited for."""


class Answer(Struct, frozen=True, kw_only=True):
    """What became of one link."""

    link: str
    title: str
    ok: bool
    seconds: float
    """Since the link before it."""
    since_fault: float | None
    """Seconds; None for what comes before the fault."""
    earnest: str
    said: str
    """What was seen; of a link that did not answer, why."""


def trains() -> Link:
    """The scratch run steps and has something to resume from."""

    def look(scene: Scene) -> Seen | None:
        told = scene.run.progress
        return Seen(f"step {told.step}") if told and told.step and scene.run.steps else None

    return Link("training", "the scratch run trains", look, patience=60)


def watched() -> Link:
    """Prometheus has the run, its card and a whole checkpoint of it."""

    def look(scene: Scene) -> Seen | None:
        run = f'run="{scene.run.name}"'
        asked = f'trainwarden_run_phase{{{run},phase="training"}} == 1 and on (run) trainwarden_checkpoints_valid > 0'
        found = scene.prometheus.query(f"{asked} and on (run) trainwarden_run_gpu")
        return Seen("its phase, its card and a whole checkpoint are series") if found else None

    return Link("watched", "Prometheus watches it", look, patience=60)


def measured(title: str, reading: Callable[[Metrics, Scene], str]) -> Link:
    """The exporter's own page shows the fault; ``reading`` says what it shows, and nothing where it does not."""

    def look(scene: Scene) -> Seen | None:
        said = reading(scene.exporter.metrics(), scene)
        return Seen(said) if said else None

    return Link("exporter", title, look, "at the next scrape")


def scraped(earnest: Earnest, query: str) -> Link:
    """Prometheus has that reading. ``{run}`` in ``query`` is the scratch run."""

    def look(scene: Scene) -> Seen | None:
        found = scene.prometheus.query(query.replace("{run}", f'run="{scene.run.name}"'))
        return Seen("the reading is a sample", found[0].at) if found else None

    return Link("prometheus", "Prometheus has scraped it", look, f"{earnest.scrape} at most")


def pending(name: str, severity: str, earnest: str, patience: float) -> Link:
    """The rule's expression holds."""

    def look(scene: Scene) -> Seen | None:
        found = scene.alerts(name, severity)
        return Seen(f"{name}, {severity}") if found else None

    return Link("pending", "the alert is pending", look, earnest, patience)


def firing(name: str, severity: str, earnest: str) -> Link:
    """The alert fires."""

    def look(scene: Scene) -> Seen | None:
        fires = [alert for alert in scene.alerts(name, severity) if alert.state == "firing"]
        return Seen(f"{name}: {fires[0].annotations.get('summary', '')}") if fires else None

    return Link("firing", "the alert fires", look, earnest)


def sent(name: str, severity: str, receiver: str) -> Link:
    """Alertmanager has it, and sends it to ``receiver``."""

    def look(scene: Scene) -> Seen | None:
        found = scene.alertmanager.alerts(alertname=name, severity=severity)
        mine = [alert for alert in found if alert.labels.get("run", scene.run.name) == scene.run.name]
        names = {receiver.name for alert in mine for receiver in alert.receivers}
        return Seen(f"for {' and '.join(sorted(names))}") if receiver in names else None

    return Link("alertmanager", "Alertmanager has it", look, "at once")


def told(wait: str, ways: people.Ways) -> Link:
    """Everybody who is told by one of these has taken a message: Slack, the mail server, the user's webhook."""

    def look(scene: Scene) -> Seen | None:
        new = people.taken(scene.alertmanager_log) - scene.told_before
        for way, where in ways.items():
            if not new[way]:
                why = people.refused(scene.alertmanager_log, way)
                raise NotYetError(f"{where} has taken no message{f': {why}' if why else ''}")
        return Seen(", ".join(f"{new[way]} by {where}" for way, where in ways.items()))

    return Link("notified", "people are told", look, wait)


def entered(name: str, title: str, kind: type[events.Event], say: Callable[[Scene], str], earnest: str) -> Link:
    """The receiver has entered an event of that kind in the run's ledger; ``say`` reads it."""

    def look(scene: Scene) -> Seen | None:
        found = scene.run.events(kind)
        return Seen(say(scene), found[-1].at) if found else None

    return Link(name, title, look, earnest, patience=60)


def launched(scene: Scene) -> str:
    """From which checkpoint, for people."""
    event = scene.run.events(events.Launched)[-1]
    return f"generation {event.generation} from {Path(event.checkpoint).name}"


def recovered(scene: Scene) -> str:
    """What the restart has cost, for people."""
    event = scene.run.events(events.Recovered)[-1]
    return f"{event.new_steps} new steps; {event.steps_lost} steps and {units.duration(event.seconds_lost)} lost"


def resolved(name: str, severity: str, earnest: str) -> Link:
    """The alert stands no more."""

    def look(scene: Scene) -> Seen | None:
        return None if scene.alerts(name, severity) else Seen(f"{name} stands no more")

    return Link("resolved", "the alert is resolved", look, earnest, patience=120)
