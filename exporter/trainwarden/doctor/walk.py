"""The chain, link by link: exporter → target → rules → alert → route → receiver → people → dashboards."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Struct

from trainwarden.chain.asking import AskError
from trainwarden.doctor import acting, alerting, machine, owner, readings, scraping, telling
from trainwarden.doctor.finding import Finding, Status, failed
from trainwarden.doctor.scene import Scene
from trainwarden.errors import TrainwardenError


class Link(NamedTuple):
    """One link."""

    name: str
    """As JSON and the documentation have it."""
    title: str
    check: Callable[[Scene], Finding]
    needs: tuple[str, ...] = ()
    """Names of earlier links without which this one cannot be looked at."""
    mend: str = ""
    """What to do where it cannot even be asked."""


_START = (
    "Start it (trainwarden up --detach, or docker compose up -d); if it runs elsewhere, name its address by its flag"
    " (trainwarden doctor --help)"
)
_LOGIN = (
    "Give its user and password with its address, in the environment: TRAINWARDEN_{}_URL=https://user:password@host"
)
_AGAIN = "Ask again; if it stays so, look at that service's log."

LINKS = (
    Link("configuration", "configuration", machine.configuration),
    Link("stack", "stack", owner.stack, ("configuration",)),
    Link("folder", "folder of the runs", machine.folder),
    Link("driver", "GPU driver", machine.driver),
    Link("exporter", "exporter", readings.exporter, ("configuration",), _START),
    Link("thresholds", "thresholds", readings.thresholds, ("exporter",)),
    Link("prometheus", "Prometheus", scraping.prometheus, ("configuration",), _START),
    Link("exporter-target", "Prometheus → exporter", scraping.exporter_target, ("exporter", "prometheus")),
    Link("receiver", "receiver", acting.receiver, ("configuration",), _START),
    Link("receiver-target", "Prometheus → receiver", scraping.receiver_target, ("receiver", "prometheus")),
    Link("machine-name", "name of the machine", scraping.same_machine, ("exporter-target", "receiver-target")),
    Link("rules", "rules", alerting.rules, ("prometheus",)),
    Link("evaluation", "evaluation of the rules", alerting.evaluation, ("rules",)),
    Link("watchdog", "watchdog fires", alerting.watchdog, ("evaluation",)),
    Link("alertmanager", "Alertmanager", alerting.alertmanager, ("configuration",), _START),
    Link("sending", "Prometheus → Alertmanager", alerting.sending, ("prometheus", "alertmanager")),
    Link("arrival", "watchdog arrives", alerting.arrival, ("watchdog", "sending")),
    Link("route", "Alertmanager → receiver", acting.route, ("alertmanager", "receiver")),
    Link("token", "token", acting.token, ("route",)),
    Link("mode", "may the receiver act", acting.mode, ("receiver",)),
    Link("people", "Alertmanager → people", telling.people, ("alertmanager",)),
    Link("grafana", "Grafana", telling.grafana, ("configuration",), _START),
)
"""In the order in which they are walked."""


class Examined(Struct, frozen=True):
    """A link, and what was found there."""

    link: str
    title: str
    status: Status
    found: str
    mend: str


def walk(scene: Scene) -> Iterator[Examined]:
    """Look at every link that can be looked at, each once."""
    broken: dict[str, str] = {}
    for link in LINKS:
        finding = _examine(link, scene, broken)
        if finding.status in (Status.FAILED, Status.NOT_REACHED):
            broken[link.name] = link.title
        yield Examined(link.name, link.title, finding.status, finding.found, finding.mend)


def holds(examined: list[Examined]) -> bool:
    """Whether the chain holds: warnings are allowed."""
    return all(one.status in (Status.OK, Status.WARNING) for one in examined)


def _examine(link: Link, scene: Scene, broken: dict[str, str]) -> Finding:
    missing = [broken[name] for name in link.needs if name in broken]
    if missing:
        return Finding(Status.NOT_REACHED, f"first: {', '.join(missing)}")
    try:
        return link.check(scene)
    except AskError as error:
        login = _LOGIN.format(link.name.upper()) if error.status in (401, 403) else ""
        return failed(str(error), login or link.mend or _AGAIN)
    except TrainwardenError as error:
        return failed(str(error), link.mend or _AGAIN)
