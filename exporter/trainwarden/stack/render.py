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

from trainwarden.config import Config, NotifyConfig
from trainwarden.errors import ConfigurationError, StackError
from trainwarden.stack import assets

MARKER = ".rendered-by-trainwarden"
"""Stands in every folder that was written here: only such a folder, or an empty one, is written to."""


def render(
    config: Config,
    target: Path,
    *,
    addresses: Mapping[str, str],
    token_file: str,
    machine: str | None = None,
    shipped: assets.Assets | None = None,
) -> None:
    """Write everything into ``target``, which afterwards holds this and nothing else.

    ``addresses``: host:port of ``exporter``, ``receiver``, ``prometheus`` and ``alertmanager`` as the services reach
    each other. ``token_file``: where receiver and Alertmanager find the bearer token. ``machine``: the ``instance``
    label; by default this machine's name. Raises ``StackError`` for a folder that holds something else.
    """
    shipped = shipped or assets.find()
    _empty(target)
    _prometheus(shipped.prometheus, target / "prometheus", addresses, machine or socket.gethostname())
    _alertmanager(shipped.alertmanager, target / "alertmanager", config, addresses["receiver"], token_file)
    _grafana(shipped.grafana, target.absolute() / "grafana", addresses["prometheus"])
    own = msgspec.to_builtins(_in_force(config, addresses["exporter"], token_file))
    _write(target / "trainwarden.yml", _only_set(own), "What exporter and receiver run by.")


def check_secrets(config: Config) -> None:
    """Raise ``ConfigurationError`` for a secret's file that is not there: Alertmanager would fail at every message."""
    named = {
        "notify.slack.api_url_file": config.notify.slack and config.notify.slack.api_url_file,
        "notify.email.password_file": config.notify.email and config.notify.email.password_file,
    }
    for key, file in named.items():
        if file and not _absolute(file).is_file():
            raise ConfigurationError(f"{key}: {_absolute(file)}: there is no such file; write the secret into it")


def _empty(target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    found = [path for path in target.iterdir() if path.name != MARKER]
    if found and not (target / MARKER).exists():
        raise StackError(f"{target}: holds other things; give an empty folder, or one that does not exist yet")
    (target / MARKER).touch()
    for path in found:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _prometheus(shipped: Path, target: Path, addresses: Mapping[str, str], machine: str) -> None:
    target.mkdir()
    shutil.copy(shipped / "prometheus.yml", target)
    shutil.copytree(shipped / "rules", target / "rules")
    (target / "targets").mkdir()
    for name in ("exporter", "receiver"):
        # `instance` is the machine and the same for both jobs: joins and inhibition across them need it.
        _write(target / f"targets/{name}.yml", [{"targets": [addresses[name]], "labels": {"instance": machine}}])
    _write(target / "targets/alertmanager.yml", [{"targets": [addresses["alertmanager"]]}])


def _alertmanager(shipped: Path, target: Path, config: Config, receiver: str, token_file: str) -> None:
    shutil.copytree(shipped, target)
    content = yaml.safe_load((shipped / "alertmanager.yml").read_text())
    receivers = {entry["name"]: entry for entry in content["receivers"]}
    for webhook in receivers["trainwarden"]["webhook_configs"]:
        webhook["url"] = f"http://{receiver}/alerts"
        webhook["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": token_file}}
    receivers["notify"].update(_people(config.notify))
    _write(target / "alertmanager.yml", content, "Rendered by trainwarden: changes are lost at the next start.")


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


def _people(notify: NotifyConfig) -> dict[str, Any]:
    """The integrations of the receiver ``notify``; none where nothing is set. Texts: ``templates/trainwarden.tmpl``."""
    integrations: dict[str, Any] = {}
    if slack := notify.slack:
        texts = {part: _template(f"slack.{part}") for part in ("title", "text", "color")}
        where = {"api_url_file": str(_absolute(slack.api_url_file)), "channel": slack.channel}
        integrations["slack_configs"] = [{**where, **texts, "send_resolved": True}]
    if email := notify.email:
        message: dict[str, Any] = {"to": email.to, "from": email.from_, "smarthost": email.smarthost}
        message |= {"require_tls": email.require_tls, "send_resolved": True}
        message |= {"headers": {"Subject": _template("email.subject")}, "text": _template("email.text"), "html": ""}
        if email.username:
            message["auth_username"] = email.username
        if email.password_file:
            message["auth_password_file"] = str(_absolute(email.password_file))
        integrations["email_configs"] = [message]
    return integrations


def _template(name: str) -> str:
    return f'{{{{ template "trainwarden.{name}" . }}}}'


def _in_force(config: Config, exporter: str, token_file: str) -> Config:
    receiver = msgspec.structs.replace(
        config.receiver, exporter_url=f"http://{exporter}/metrics", token_file=token_file
    )
    return msgspec.structs.replace(config, receiver=receiver)


def _only_set(value: Any) -> Any:
    """Leave out what is not set: in the file, a key without a value is a mistake."""
    if isinstance(value, dict):
        return {key: _only_set(inner) for key, inner in value.items() if inner is not None}
    return value


def _absolute(file: str) -> Path:
    return Path(file).expanduser().absolute()


def _write(path: Path, content: Any, comment: str = "") -> None:
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    path.write_text(f"# {comment}\n{text}" if comment else text)
