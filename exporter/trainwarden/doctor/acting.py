"""The links between Alertmanager and what acts: the route to the receiver, its token, and whether it may act."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from trainwarden.chain import routes
from trainwarden.doctor.finding import Finding, failed, ok, warning
from trainwarden.doctor.scene import Scene
from trainwarden.errors import StackError
from trainwarden.names import RESTART_ALERTS, RUN_NAME
from trainwarden.runs.folder import RunFolder

FOR_PEOPLE = ("notify", "notify-once")
"""Alertmanager's receivers, as ``alertmanager.yml`` names them, whose webhooks are the user's own."""
FOR_RECEIVER = "trainwarden"
HIDDEN = "<secret>"
"""What later Alertmanagers (0.33, say) write in place of a webhook's address: then its receiver's name must tell."""
RENDER = "Have alertmanager.yml written anew: trainwarden down && trainwarden up --detach (or docker compose up)"


def receiver(scene: Scene) -> Finding:
    """Whether the receiver answers and its worker works."""
    why = scene.receiver.not_ready()
    if why:
        return failed(why.removesuffix("."), f"Start it again, and read its log{_log(scene)}.")
    scene.receiver.metrics()
    return ok(scene.receiver.service.shown)


def route(scene: Scene) -> Finding:
    """Whether each alert that restarts a run reaches the receiver, always, and nothing keeps it back."""
    configuration = scene.alertmanager_status.configuration
    for alert in RESTART_ALERTS:
        labels = {"alertname": alert, "action": "restart", "severity": "critical"}
        labels |= {"instance": "machine", "run": "run", "generation": "1"}
        ours = [d for d in routes.destinations(configuration, labels) if webhooks(configuration, d.receiver)]
        if not ours:
            reached = dict.fromkeys(d.receiver for d in routes.destinations(configuration, labels))
            return failed(f"{alert} reaches {', '.join(reached)}, and not the receiver's webhook", RENDER)
        if ours[0].muted_by:
            return failed(f"{alert} does not reach the receiver in {', '.join(ours[0].muted_by)}", RENDER)
        if routes.kept_back(configuration, labels):
            return failed(f"{alert} can be kept back by an inhibition rule", RENDER)
    return _posting(scene, webhook_in_force(configuration) or {})


def _posting(scene: Scene, webhook: Mapping[str, Any]) -> Finding:
    """How, and to where, it is posted."""
    if webhook.get("send_resolved") is False:
        return failed("the receiver is not told when an alert is over (send_resolved)", RENDER)
    if webhook.get("max_alerts"):
        return failed("the receiver is told of some of the alerts only (max_alerts)", RENDER)
    hidden, alerts = webhook.get("url") == HIDDEN, ", ".join(RESTART_ALERTS)
    if hidden and not scene.in_stack:
        return ok(f"{alerts}: to the receiver; at which address Alertmanager hides, so that was not looked at")
    source = " (by its file: Alertmanager itself hides it)" if hidden else ""
    posted = urlsplit(str((_written(scene) if hidden else webhook).get("url"))).netloc
    answers = urlsplit(scene.addresses.receiver).netloc
    # A name that only containers know says nothing here.
    if scene.in_stack and posted != answers:
        return failed(f"alerts are posted to {posted}, and the receiver answers at {answers}{source}", RENDER)
    return ok(f"{alerts}: to {posted}{source}")


def _written(scene: Scene) -> Mapping[str, Any]:
    """The webhook as the stack's own alertmanager.yml has it, where no address is hidden."""
    try:
        configuration = yaml.safe_load(scene.alertmanager_file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise StackError(f"{scene.alertmanager_file} cannot be read: {error}") from None
    return webhook_in_force(configuration) or {}


def token(scene: Scene) -> Finding:
    """Whether the receiver takes the token that Alertmanager sends. It is sent a message of no alerts; never shown."""
    if scene.receiver.takes(None):
        return ok("the receiver asks for none: only this machine reaches it")
    file = scene.token_file or credentials_file(scene.alertmanager_status.configuration)
    if file is None:
        return failed("the receiver asks for a token, and Alertmanager sends none from a file", RENDER)
    try:
        found = Path(file).read_text().strip()
    except OSError as error:
        if scene.in_stack or scene.token_file:
            return failed(f"{file}: {error.strerror}", RENDER)
        return warning(
            f"Alertmanager's token, {file}, cannot be read from here: it may run in a container",
            "Name the same file as it lies on this machine: trainwarden doctor --token-file FILE",
        )
    if not scene.receiver.takes(found):
        return failed(
            f"the receiver does not take the token that Alertmanager sends ({file})",
            "Let receiver.token_file in trainwarden.yml name the same file, and start the receiver again.",
        )
    return ok(f"the receiver takes Alertmanager's ({file})")


def mode(scene: Scene) -> Finding:
    """Whether the receiver may act, for every run."""
    if scene.config.receiver.mode == "observe":
        return warning(
            "the receiver decides and tells, and restarts nothing (receiver.mode: observe)",
            "Once you trust its decisions, set receiver.mode to restart in trainwarden.yml.",
        )
    observed = [f"{name} (mode: observe)" for name, run in scene.config.runs.items() if run.mode == "observe"]
    paused = [f"{name} (paused)" for name in _names(scene.runs) if RunFolder(name, scene.runs).pause_path.exists()]
    if observed or paused:
        return warning(
            f"left alone: {', '.join([*paused, *observed])}",
            "Have one watched over again with `trainwarden resume NAME`, or without its mode in trainwarden.yml.",
        )
    return ok("the receiver may restart every run")


def webhooks(configuration: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Those of a receiver of Alertmanager's that post to our receiver."""
    if name in FOR_PEOPLE:
        return []
    found = [one for kind, one in routes.integrations(configuration, name) if kind == "webhook"]
    return [one for one in found if _path(one) == "/alerts" or (one.get("url") == HIDDEN and name == FOR_RECEIVER)]


def _path(webhook: Mapping[str, Any]) -> str:
    return urlsplit(str(webhook.get("url"))).path


def webhook_in_force(configuration: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The settings by which a restart alert is posted."""
    labels = {"alertname": next(iter(RESTART_ALERTS)), "action": "restart", "severity": "critical"}
    reached = routes.destinations(configuration, labels)
    return next((one for d in reached for one in webhooks(configuration, d.receiver)), None)


def credentials_file(configuration: Mapping[str, Any]) -> str | None:
    """From where Alertmanager reads the token for the receiver."""
    http = (webhook_in_force(configuration) or {}).get("http_config") or {}
    file = (http.get("authorization") or {}).get("credentials_file") or http.get("bearer_token_file")
    return str(file) if file else None


def _names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if RUN_NAME.fullmatch(path.name)) if root.is_dir() else []


def _log(scene: Scene) -> str:
    return f" ({scene.log('receiver')})" if scene.in_stack else ""
