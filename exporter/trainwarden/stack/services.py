"""The services of the stack: how each is started, and where it answers."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from trainwarden.stack import tools
from trainwarden.stack.ports import LOOPBACK
from trainwarden.stack.state import StackFolder

TAG_ENVIRONMENT = "TRAINWARDEN_STACK"
"""Environment variable that every service carries: the stack's folder. For people who read /proc."""

RETENTION = ("15d", "512MB")
"""How long Prometheus keeps samples, and in how much space: a machine's training runs need little of either."""


class Service(NamedTuple):
    """One process of the stack."""

    name: str
    title: str
    command: list[str]
    environment: Mapping[str, str]
    url: str
    """What a person opens."""
    ready_url: str


def all_services(folder: StackFolder, ports: Mapping[str, int], programs: tools.Tools) -> list[Service]:
    """Every service of this stack, in the order in which they are started."""
    servers = [_own("exporter", folder, ports), _own("receiver", folder, ports)]
    servers += [_prometheus(folder, ports, programs.prometheus), _alertmanager(folder, ports, programs.alertmanager)]
    binary = grafana_binary()
    return [*servers, _grafana(folder, ports, binary)] if binary else servers


def grafana_binary() -> str | None:
    """Grafana, where it is installed."""
    return shutil.which("grafana") or shutil.which("grafana-server")


def address(name: str, ports: Mapping[str, int]) -> str:
    """host:port of a service."""
    return f"{LOOPBACK}:{ports[name]}"


def _own(name: str, folder: StackFolder, ports: Mapping[str, int]) -> Service:
    """The exporter or the receiver, by the configuration in force."""
    where = address(name, ports)
    configuration = str(folder.rendered / "trainwarden.yml")
    command = [sys.executable, "-m", "trainwarden", "--config", configuration, name, "--web.listen-address", where]
    # Without it `python -m` would import from the working directory first (Python 3.11 and newer heed it).
    environment = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    # Alive is enough: the watch begins though the GPU driver hangs or a run's folder is damaged.
    return _service(name, command, folder, ports, page="/metrics", ready="/-/healthy", environment=environment)


def _prometheus(folder: StackFolder, ports: Mapping[str, int], binary: Path) -> Service:
    where = address("prometheus", ports)
    command = [
        str(binary),
        f"--config.file={folder.rendered / 'prometheus/prometheus.yml'}",
        f"--storage.tsdb.path={folder.data('prometheus')}",
        f"--storage.tsdb.retention.time={RETENTION[0]}",
        f"--storage.tsdb.retention.size={RETENTION[1]}",
        f"--web.listen-address={where}",
        f"--web.external-url=http://{where}/",
    ]
    if share := tools.unpacked_share(binary):
        command.append(f"--web.local-assets={share / 'prometheus/web'}")
    return _service("prometheus", command, folder, ports)


def _alertmanager(folder: StackFolder, ports: Mapping[str, int], binary: Path) -> Service:
    where = address("alertmanager", ports)
    command = [
        str(binary),
        f"--config.file={folder.rendered / 'alertmanager/alertmanager.yml'}",
        f"--storage.path={folder.data('alertmanager')}",
        f"--web.listen-address={where}",
        f"--web.external-url=http://{where}/",
        "--cluster.listen-address=",  # one Alertmanager: no gossip port
    ]
    if tools.unpacked_share(binary):
        command.append(f"--web.ui-path={Path(__file__).parent / 'alertmanager_page'}")
    return _service("alertmanager", command, folder, ports)


def _grafana(folder: StackFolder, ports: Mapping[str, int], binary: str) -> Service:
    """Open to everyone on this machine's loopback, and to look at only."""
    data = folder.data("grafana")
    home = Path("/usr/share/grafana")
    command = [binary, *(["server"] if Path(binary).name == "grafana" else [])]
    settings = {
        "GF_SERVER_HTTP_ADDR": LOOPBACK,
        "GF_SERVER_HTTP_PORT": str(ports["grafana"]),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder.rendered / "grafana/provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    if home.is_dir():
        command += ["--homepath", str(home)]
    return _service("grafana", command, folder, ports, ready="/api/health", environment=settings)


def _service(
    name: str,
    command: list[str],
    folder: StackFolder,
    ports: Mapping[str, int],
    *,
    page: str = "/",
    ready: str = "/-/ready",
    environment: Mapping[str, str] | None = None,
) -> Service:
    base = f"http://{address(name, ports)}"
    whole = {**os.environ, **(environment or {}), TAG_ENVIRONMENT: str(folder.path)}
    return Service(name, name.capitalize(), command, whole, url=base + page, ready_url=base + ready)
