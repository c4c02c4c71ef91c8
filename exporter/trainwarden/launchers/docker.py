"""Docker: the user's container is the first launch, or its pattern; each further launch is a sibling beside it.

Nothing of the user's is changed or deleted: the container of a former launch stays as it ended, under its own name.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from trainwarden import system
from trainwarden.errors import RefusedError, TrainwardenError
from trainwarden.launchers import dockerlogs
from trainwarden.launchers.container import (
    GENERATION_LABEL,
    PATTERN_LABEL,
    RUN_LABEL,
    Container,
    ended_by_hand,
    read_event,
    sibling,
)
from trainwarden.launchers.dockerapi import DockerApi, DockerError, filters
from trainwarden.launchers.engine import Order, Status
from trainwarden.launching import DockerOptions

_SETTLE_SECONDS = 2.0
"""In which the daemon tells of an end that it has noted."""


class DockerEngine:
    """Implements ``launchers.engine.Engine``. A handle is a container's id."""

    name = "docker"
    interval = 1.0

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._api = DockerApi(options.socket)
        self._carriers: dict[str, dockerlogs.Carrier] = {}
        self.visible = False
        """As of the last look: not so where the daemon has a machine of its own, or the container another user."""

    def check(self, order: Order) -> None:
        """There must be its container, which Docker must neither start behind our back nor remove at its end."""
        pattern = self._pattern()
        policy = pattern.restart_policy
        name = pattern.plain_name
        if policy not in ("", "no"):
            raise RefusedError(
                f"container '{name}' has the restart policy {policy}: Docker would start the training from zero; "
                f"mend: docker update --restart=no {name}"
            )
        if pattern.host_config.get("AutoRemove"):
            raise RefusedError(
                f"container '{name}' was started with --rm, so that nothing is left to resume; leave it out"
            )
        if pattern.log_driver == "none":
            raise RefusedError(f"container '{name}' has the log driver none, so that its output cannot be followed")
        _check_pattern(order, pattern, self._launches(order.run_id))

    def start(self, order: Order) -> str:
        """Take the user's container, where it runs this order's command already; else create a sibling and start it."""
        self.check(order)
        pattern = self._pattern()
        launches = self._launches(order.run_id)
        if _is_adopted(pattern, order, launches):
            return pattern.id
        _check_living(order, pattern, launches)
        mine = _launch_of(order, launches)
        if mine is not None and mine.was_started:
            raise RefusedError(
                f"launch {order.generation} of run '{order.name}' was container '{mine.plain_name}' already"
            )
        made = mine.id if mine is not None else self._create(order, pattern)
        try:
            self._api.post(f"/containers/{made}/start")
        except DockerError as error:
            raise RefusedError(f"{error} (container {made[:12]} was created and not started)") from error
        return made

    def find(self, order: Order) -> str | None:
        """By the labels. The user's own container has none: ``start`` takes it again, after the same check."""
        found = _launch_of(order, self._launches(order.run_id))
        return found.id if found is not None and found.was_started else None

    def probe(self, handle: str) -> Status:
        """By the container's state. One that is gone was removed by somebody; a paused one lives."""
        container = self._inspect(handle)
        if container is None:
            return Status(alive=False, by_hand=True)
        state = container.state
        if state.running or state.paused or state.restarting:
            self.visible = _is_visible(container)
            return Status(alive=True, suspended=state.paused, pid=state.pid if self.visible else None)
        exit_code, signal = container.ended_as
        at = state.finished_at.timestamp()
        return Status(alive=False, exit_code=exit_code, signal=signal, at=at, by_hand=self._by_hand(container))

    def carry(self, handle: str, output: Path) -> None:
        """Append what the container's log has gained: each byte once, also where a former caller died."""
        container = self._inspect(handle)
        if container is None:
            return
        ended = not container.state.running
        dockerlogs.bring(self._carriers, self._api, handle, output, tty=container.tty, ended=ended)

    def cgroup_names(self, handle: str) -> tuple[str, ...]:
        """Those of Docker's two cgroup drivers, and of Podman."""
        return handle, f"docker-{handle}.scope", f"libpod-{handle}.scope"

    def stop(self, handle: str, *, kill: bool) -> None:
        """The container's stop signal (SIGTERM by default) for its first process; with ``kill``, SIGKILL for all."""
        container = self._inspect(handle)
        if container is None or not container.state.running:
            return
        signal = "SIGKILL" if kill else container.stop_signal
        with _not_running_is_well():
            self._api.post(f"/containers/{handle}/kill", signal=signal)

    # --- the daemon -------------------------------------------------------------------------------------------
    def _pattern(self) -> Container:
        found = self._inspect(self._options.container)
        if found is None:
            raise RefusedError(f"launcher.docker.container: there is no container '{self._options.container}'")
        return found

    def _inspect(self, name: str) -> Container | None:
        try:
            said = self._api.get(f"/containers/{name}/json")
        except DockerError as error:
            if error.status == 404:
                return None
            raise
        found: Container = _decoded(said, Container)
        return found

    def _launches(self, run_id: str) -> list[Container]:
        """The siblings of this run, oldest first, whether they live or not."""
        label = filters(label=[f"{RUN_LABEL}={run_id}"])
        listed = _decoded(self._api.get("/containers/json", all="1", filters=label), list[dict[str, Any]])
        found = [container for one in listed if (container := self._inspect(one["Id"])) is not None]
        return sorted(found, key=lambda one: int(one.labels.get(GENERATION_LABEL, "0")))

    def _create(self, order: Order, pattern: Container) -> str:
        """Named after the pattern; where an earlier run left a container of that name, by this run's id as well."""
        body, networks = sibling(pattern, order)
        name = f"{pattern.plain_name}-generation-{order.generation}"
        try:
            said = self._api.post("/containers/create", body, name=name)
        except DockerError as error:
            if error.status != 409:
                raise RefusedError(str(error)) from error
            said = self._api.post("/containers/create", body, name=f"{name}-{order.run_id[:8]}")
        made = str(_decoded(said, dict[str, Any])["Id"])
        for network, endpoint in networks.items():
            self._api.post(f"/networks/{network}/connect", {"Container": made, "EndpointConfig": endpoint})
        return made

    def _by_hand(self, container: Container) -> bool:
        """By the daemon's own events: it remembers the last 256 of all containers, and none across its own restart."""
        state = container.state
        query = {
            "since": str(int(state.started_at.timestamp())),
            "until": f"{state.finished_at.timestamp() + _SETTLE_SECONDS:.0f}",
            "filters": filters(container=[container.id], type=["container"], event=["kill", "stop"]),
        }
        said = self._api.get("/events", **query)
        return ended_by_hand(container, [read_event(line) for line in said.splitlines()])


def _launch_of(order: Order, launches: list[Container]) -> Container | None:
    return next((one for one in launches if one.labels.get(GENERATION_LABEL) == str(order.generation)), None)


def _is_adopted(pattern: Container, order: Order, launches: list[Container]) -> bool:
    """Whether the user's own container is the first launch: it runs, and what it runs is the order's command."""
    return order.generation == 1 and not launches and pattern.state.running and pattern.runs(order.argv)


def _check_living(order: Order, pattern: Container, launches: list[Container]) -> None:
    """Refuse a launch beside a living one, and the first where its container has run it to an end already."""
    adopted = not any(one.labels.get(GENERATION_LABEL) == "1" for one in launches)
    living = next((one for one in launches if one.state.running), None)
    if living is None and pattern.state.running and adopted and order.generation > 1:
        living = pattern
    if living is not None:
        raise RefusedError(f"container '{living.plain_name}' of run '{order.name}' still runs; stop it first")
    if order.generation == 1 and pattern.was_started and not pattern.state.running and pattern.runs(order.argv):
        name = pattern.plain_name
        raise RefusedError(
            f"container '{name}' has run this command and ended; to begin anew, first: docker start {name}"
        )


def _check_pattern(order: Order, pattern: Container, launches: list[Container]) -> None:
    """Refuse a container that only has the name of the one after which the run's siblings were made."""
    after = {one.labels[PATTERN_LABEL] for one in launches if PATTERN_LABEL in one.labels}
    if after and pattern.id not in after:
        raise RefusedError(
            f"container '{pattern.plain_name}' was made anew since run '{order.name}' was launched, so that its image "
            "and volumes may be another training's; give it another name, or start the run anew"
        )


def _is_visible(container: Container) -> bool:
    """Whether its first process is one of this machine's that we may signal: not so in Docker Desktop's own machine."""
    process = system.PROC / str(container.state.pid)
    try:
        inside = container.id in (process / "cgroup").read_text()
        return inside and os.geteuid() in (0, process.stat().st_uid)
    except OSError:
        return False


@contextlib.contextmanager
def _not_running_is_well() -> Iterator[None]:
    try:
        yield
    except DockerError as error:
        if error.status not in (404, 409):
            raise


def _decoded(said: bytes, shape: Any) -> Any:
    try:
        return msgspec.json.decode(said, type=shape)
    except msgspec.DecodeError as error:
        raise TrainwardenError(f"Docker's answer is not understood ({error})") from error
