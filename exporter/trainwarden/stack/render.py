"""Writes the configuration in force of Prometheus, Alertmanager, Grafana and our own two services into one folder.

`up` and compose run the same shipped files; what differs between installations (addresses, the receiver's token,
where people are told) is filled in here. Secrets are named by their files and never copied.
"""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from trainwarden.config import Config
from trainwarden.errors import ConfigurationError
from trainwarden.stack import assets, people, written

WARNINGS = ['severity="warning"']
"""The route that waits while it is quiet."""

GRAFANA = "http://127.0.0.1:3000"
"""As the shipped rules have it."""


def render(
    config: Config,
    target: Path,
    *,
    addresses: Mapping[str, str],
    token_file: str,
    machine: str | None = None,
    shipped: assets.Assets | None = None,
) -> None:
    """Write everything into ``target``, which afterwards holds this, and in ``.kept`` what others had written there.

    ``addresses``: host:port of ``exporter``, ``receiver``, ``prometheus`` and ``alertmanager`` as the services reach
    each other, and of ``grafana``, where there is one, as a browser does. ``token_file``: where receiver and
    Alertmanager find the bearer token. ``machine``: the ``instance`` label; by default this machine's name. Raises
    ``ConfigurationError`` for a secret's file with which no message would arrive and for what no stack can have, and
    ``StackError`` for a folder that holds something else.
    """
    shipped = shipped or assets.find()
    _check_services(config)
    people.check_secrets(config.notify)
    written.empty(target)
    _prometheus(shipped.prometheus, target / "prometheus", addresses, machine or socket.gethostname())
    _alertmanager(shipped.alertmanager, target / "alertmanager", config, addresses, token_file)
    reached = f"http://{addresses['grafana']}" if "grafana" in addresses else ""
    _link(target / "prometheus/rules", config.notify.grafana_url or reached)
    _grafana(shipped.grafana, target.absolute() / "grafana", addresses["prometheus"])
    own = msgspec.to_builtins(_in_force(config, addresses["exporter"], token_file))
    _write(target / "trainwarden.yml", _only_set(own), "What exporter and receiver run by.")
    written.sign(target)


_ONLY_ALONE = {"telemetry_path": "--web.telemetry-path", "web_config_file": "--web.config.file"}
"""Settings of an exporter or receiver that is started by itself, and their flags there."""


def _check_services(config: Config) -> None:
    """Raise ``ConfigurationError`` for what would leave the stack's own services without an answer."""
    for edge, settings in (("exporter", config.exporter), ("receiver", config.receiver)):
        for key, flag in _ONLY_ALONE.items():
            if getattr(settings, key) != getattr(type(settings)(), key):
                raise ConfigurationError(
                    f"{edge}.{key}: in a stack all speak plain HTTP at /metrics, which only this machine reaches;"
                    f" remove it, and start one that is to have it by itself: trainwarden {edge} {flag} …"
                )


def _prometheus(shipped: Path, target: Path, addresses: Mapping[str, str], machine: str) -> None:
    target.mkdir()
    shutil.copy(shipped / "prometheus.yml", target)
    shutil.copytree(shipped / "rules", target / "rules")
    (target / "targets").mkdir()
    for name in ("exporter", "receiver", "prometheus", "alertmanager"):
        # `instance` is the machine and the same for every job: joins and inhibition across them need it.
        _write(target / f"targets/{name}.yml", [{"targets": [addresses[name]], "labels": {"instance": machine}}])


def _alertmanager(shipped: Path, target: Path, config: Config, addresses: Mapping[str, str], token_file: str) -> None:
    shutil.copytree(shipped, target)
    content = yaml.safe_load((shipped / "alertmanager.yml").read_text())
    notify, receiver = config.notify, addresses["receiver"]
    receivers = {entry["name"]: entry for entry in content["receivers"]}
    for webhook in receivers["trainwarden"]["webhook_configs"]:
        webhook["url"] = f"http://{receiver}/alerts"
        webhook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token_file}}
    told = people.people(notify, receiver, token_file)
    receivers["notify"].update(told)
    receivers["notify-once"].update(people.once(told))
    receivers["heartbeat"].update(people.heartbeat(notify, receiver, token_file))
    if notify.quiet:
        content["time_intervals"] = [people.quiet_times(notify.quiet)]
        for route in content["route"]["routes"]:
            if route["matchers"] == WARNINGS:
                route["mute_time_intervals"] = [people.QUIET]
    _write(target / "alertmanager.yml", content, "Rendered by trainwarden: changes are lost at the next start.")


def _link(rules: Path, grafana: str) -> None:
    """Let the alerts' links to dashboards lead to where Grafana answers; messages leave out what is then no address."""
    for file in rules.glob("*.yml"):
        file.write_text(file.read_text().replace(GRAFANA, grafana.rstrip("/")))


def _grafana(shipped: Path, target: Path, prometheus: str) -> None:
    shutil.copytree(shipped, target, ignore=shutil.ignore_patterns("build"))
    sources = target / "provisioning/datasources/trainwarden.yml"
    content = yaml.safe_load(sources.read_text())
    content["datasources"][0]["url"] = f"http://{prometheus}"
    _write(sources, content)
    providers = target / "provisioning/dashboards/trainwarden.yml"
    content = yaml.safe_load(providers.read_text())
    content["providers"][0]["options"]["path"] = str(target / "dashboards")
    _write(providers, content)


def _in_force(config: Config, exporter: str, token_file: str) -> Config:
    receiver = msgspec.structs.replace(
        config.receiver, exporter_url=f"http://{exporter}/metrics", token_file=token_file
    )
    return msgspec.structs.replace(config, receiver=receiver, notify=people.with_absolute_files(config.notify))


def _only_set(value: Any) -> Any:
    """Leave out what is not set: in the file, a key without a value is a mistake."""
    if isinstance(value, dict):
        return {key: _only_set(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_only_set(inner) for inner in value]
    return value


def _write(path: Path, content: Any, comment: str = "") -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# {comment}\n{text}" if comment else text)
