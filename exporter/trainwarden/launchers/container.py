"""A container as the Docker Engine tells of it, how it ended, and the sibling that takes its next launch."""

import datetime
from typing import Any

import msgspec
from msgspec import Struct, field

from trainwarden.launchers.engine import Order

RUN_LABEL = "trainwarden.run_id"
GENERATION_LABEL = "trainwarden.generation"
PATTERN_LABEL = "trainwarden.pattern"
"""The id of the container that a sibling was made after: its name may be another's by now."""
_COMPOSE = "com.docker.compose."
"""Labels by which Compose knows its own: a sibling that bore them would be taken for a spare one, and removed."""
_NEVER = datetime.datetime(1, 1, 1, tzinfo=datetime.timezone.utc)
_ENDING = frozenset({2, 3, 9, 15})
"""SIGINT, SIGQUIT, SIGKILL, SIGTERM; others, as SIGUSR1 and SIGHUP, are messages to a program."""
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64
_SOON = 60.0
"""Seconds in which a program that was asked to end has done so, by whatever exit code; docker stop waits 10."""


class State(Struct, frozen=True, rename="pascal"):
    """What runs in it. A container that was never started began in the year 1."""

    running: bool = False
    paused: bool = False
    restarting: bool = False
    oom_killed: bool = field(default=False, name="OOMKilled")
    pid: int = 0
    exit_code: int = 0
    started_at: datetime.datetime = _NEVER
    finished_at: datetime.datetime = _NEVER


class Container(Struct, frozen=True, rename="pascal"):
    """The answer of ``/containers/NAME/json``, as far as we need it."""

    id: str
    name: str
    image: str
    """The image's id: its name may mean another one by now."""
    path: str
    args: list[str]
    state: State
    config: dict[str, Any]
    host_config: dict[str, Any]
    network_settings: dict[str, Any]

    @property
    def plain_name(self) -> str:
        """As the user writes it."""
        return self.name.lstrip("/")

    @property
    def labels(self) -> dict[str, str]:
        """Its own and its image's."""
        return self.config.get("Labels") or {}

    @property
    def tty(self) -> bool:
        """Whether its output comes from a terminal, stdout and stderr in one."""
        return bool(self.config.get("Tty"))

    @property
    def stop_signal(self) -> str:
        """Which asks its program to end."""
        return self.config.get("StopSignal") or "SIGTERM"

    @property
    def restart_policy(self) -> str:
        """``no``, or when Docker would start it again."""
        return str((self.host_config.get("RestartPolicy") or {}).get("Name") or "")

    @property
    def log_driver(self) -> str:
        """``json-file`` by default."""
        return str((self.host_config.get("LogConfig") or {}).get("Type") or "")

    @property
    def was_started(self) -> bool:
        """Whether anything ever ran in it."""
        return self.state.started_at > _NEVER

    @property
    def entrypoint(self) -> list[str]:
        """What stands before the command, from the image or from whoever created it."""
        return self.config.get("Entrypoint") or []

    @property
    def ended_as(self) -> tuple[int | None, int | None]:
        """Exit code and signal, one at most: 128 and more means a signal, for Docker as for a shell."""
        code = self.state.exit_code
        if self.state.oom_killed:
            return None, 9
        if _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
            return None, code - _SIGNAL_BASE
        return code, None

    def runs(self, argv: list[str]) -> bool:
        """Whether this is its command, with or without its entrypoint before it."""
        return [self.path, *self.args] in (argv, [*self.entrypoint, *argv])


class Event(Struct, frozen=True):
    """Something that was done to a container."""

    action: str
    signal: int
    at: float


def read_event(line: bytes) -> Event:
    """One line of ``/events``."""
    said = msgspec.json.decode(line)
    signal = str(said["Actor"].get("Attributes", {}).get("signal", "0"))
    return Event(said["Action"], int(signal) if signal.isdecimal() else 0, said["timeNano"] / 1e9)


def ended_by_hand(container: Container, events: list[Event]) -> bool:
    """Whether somebody ended it through Docker, which leaves the same exit code as a crash.

    ``docker stop`` says so itself. Of ``docker kill`` only what could have ended it counts: a signal that its exit
    code shows, or one to end with shortly before. One that the program ignored hours ago does not.
    """
    end = container.state.finished_at.timestamp()
    shown = container.ended_as[1]
    for event in events:
        if event.action == "stop":
            return True
        if event.signal in _ENDING and (event.signal == shown or 0 <= end - event.at <= _SOON):
            return True
    return False


def sibling(pattern: Container, order: Order) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body of ``/containers/create`` for this launch, and the networks to connect it to afterwards.

    All as in the pattern, but the command, the marks, and what would start or remove it behind our back. Its volumes,
    those without a name among them, come from the pattern itself: checkpoints may stand there.
    """
    config = dict(pattern.config)
    if _hostname_is_dockers(pattern):
        config.pop("Hostname", None)
    first, others = _networks(pattern)
    host = {
        **pattern.host_config,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "ContainerIDFile": "",
        "VolumesFrom": [*(pattern.host_config.get("VolumesFrom") or []), pattern.id],
    }
    body = {
        **config,
        "Image": pattern.image,
        "Cmd": _behind(pattern.entrypoint, order.argv),
        "Env": _environment(config.get("Env") or [], order.environment),
        "Labels": _labels(pattern, order),
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": first},
    }
    return body, others


def _behind(entrypoint: list[str], argv: list[str]) -> list[str]:
    """The command as ``docker run IMAGE …`` takes it: without the entrypoint, which Docker puts before it."""
    head = len(entrypoint)
    return argv[head:] if argv[:head] == entrypoint else argv


def _environment(had: list[str], more: dict[str, str]) -> list[str]:
    """What Python prints comes line by line, unless the user wants it otherwise: else an epoch is told hours late."""
    given = {"PYTHONUNBUFFERED": "1", **dict(entry.split("=", 1) for entry in had if "=" in entry), **more}
    return [f"{key}={value}" for key, value in given.items()]


def _labels(pattern: Container, order: Order) -> dict[str, str]:
    kept = {key: value for key, value in pattern.labels.items() if not key.startswith(_COMPOSE)}
    return {**kept, RUN_LABEL: order.run_id, GENERATION_LABEL: str(order.generation), PATTERN_LABEL: pattern.id}


def _hostname_is_dockers(pattern: Container) -> bool:
    mode = str(pattern.host_config.get("NetworkMode"))
    hostname = str(pattern.config.get("Hostname") or "")
    return mode == "host" or mode.startswith("container:") or pattern.id.startswith(hostname)


def _networks(pattern: Container) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pattern's networks as they were asked for: the one of its network mode, and the others.

    An engine before 25 creates a container on one network only.
    """
    mode = str(pattern.host_config.get("NetworkMode"))
    had = pattern.network_settings.get("Networks") or {}
    asked = {name: _endpoint(pattern, endpoint) for name, endpoint in had.items() if not mode.startswith("container:")}
    first = {name: endpoint for name, endpoint in asked.items() if name == mode}
    return first, {name: endpoint for name, endpoint in asked.items() if name not in first and name != "bridge"}


def _endpoint(pattern: Container, endpoint: dict[str, Any]) -> dict[str, Any]:
    aliases = [alias for alias in endpoint.get("Aliases") or [] if not pattern.id.startswith(alias)]
    asked = {key: endpoint[key] for key in ("IPAMConfig", "Links", "DriverOpts") if endpoint.get(key)}
    return {**asked, "Aliases": aliases} if aliases else asked
