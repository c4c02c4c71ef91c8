"""Where the services of the chain answer, in order of precedence: given, of the running stack, as configured."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from trainwarden.config import Config, ExporterConfig, ReceiverConfig, absolute, split_address
from trainwarden.errors import ConfigurationError
from trainwarden.names import EXPORTER_PORT, RECEIVER_PORT
from trainwarden.web import webconfig

USUAL = {
    "exporter": EXPORTER_PORT,
    "receiver": RECEIVER_PORT,
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
}
"""The services, and the port that each listens on where nobody says otherwise."""
_EVERY_INTERFACE = ("", "0.0.0.0", "::")


class Addresses(NamedTuple):
    """URLs; of ``exporter`` and ``receiver`` the metrics page's, of the others the base."""

    exporter: str
    receiver: str
    prometheus: str
    alertmanager: str
    grafana: str
    named: frozenset[str] = frozenset()
    """Those that were given or run in the stack: of the others nobody has said that they are there at all."""


def resolve(config: Config, running: Mapping[str, str], given: Mapping[str, str | None]) -> Addresses:
    """Find every address.

    ``running``: URLs by service of the stack that is up, if one is. ``given``: by service, as the command line names
    them; None: not given. Raises ``ConfigurationError`` for what is no http(s) URL.
    """
    told = {name: _checked(name, url) for name, url in given.items() if url is not None}
    usual = {name: f"http://127.0.0.1:{port}" for name, port in USUAL.items()}
    usual |= {"exporter": _own(config.exporter), "receiver": _own(config.receiver)}
    found = {**usual, **running, **told}
    return Addresses(**{name: found[name] for name in USUAL}, named=frozenset({*running, *told}))


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"--{name}: write a URL that begins with http:// or https://, and a host")
    if name in ("exporter", "receiver") and parts.path in ("", "/"):
        return url.rstrip("/") + "/metrics"
    return url


def _own(settings: ExporterConfig | ReceiverConfig) -> str:
    host, port = split_address(settings.listen)
    host = "127.0.0.1" if host in _EVERY_INTERFACE else host
    named = f"[{host}]" if ":" in host else host
    scheme = "http"
    if settings.web_config_file and webconfig.load(absolute(settings.web_config_file)).tls_server_config:
        scheme = "https"
    return f"{scheme}://{named}:{port}{settings.telemetry_path}"
