"""A whole night in a minute: every part of the loop real but the GPU driver, with its durations scaled down.

Thresholds and limits are scaled by configuration, as a user would; rules and Alertmanager's intervals are scaled in
copies (the shipped files are never edited). One minute of the rules is one second here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.nvml import FakeDriver
from tests.support.ports import free_port
from tests.support.wait import wait_until
from trainwarden import config as configuration
from trainwarden import system
from trainwarden.drill import scaling
from trainwarden.model import RunState
from trainwarden.names import RUN_ENVIRONMENT, RUN_ID_ENVIRONMENT
from trainwarden.runs.folder import RunFolder
from trainwarden.stack.render import render
from trainwarden.stack.tools import Tools

FACTOR = 60
"""How much faster than by the shipped rules time passes."""

HUNG_AFTER = 5.0
"""Seconds a checkpoint must be old for "hung" (30 min in the guide)."""

FIRING_TIME = HUNG_AFTER + 10 + 2
"""Seconds until TrainwardenRunHung has fired at the latest: the checkpoint's age, the window of ten minutes, `for`."""

LIMITS = {
    "term_grace": "2s",
    "kill_grace": "10s",
    "save_grace": "5s",
    "pause_after_stop": "1s",
    "gpu_memory_timeout": "20s",
    "start_timeout": "60s",
    "probation_timeout": "60s",
    "await_restart": "60s",
    "look_apart": "1s",
    "decide_again": "1s",
    "checkpoint_settle": "0.5s",
}
THRESHOLDS = {
    "checkpoint_age_seconds": {"hung": HUNG_AFTER},
    "step_duration_seconds": {"warning": 1.0},
}
BUDGET = {"per_checkpoint": 3, "per_window": 6, "probation_steps": 3}


TOKEN = "a-token-of-this-night"


class Night:
    """Exporter, receiver, Prometheus and Alertmanager, and the runs that they watch."""

    def __init__(self, folder: Path, tools: Tools, driver: FakeDriver) -> None:
        self.folder = folder
        self.driver = driver
        self._tools = tools
        self._ports = {name: free_port() for name in ("exporter", "receiver", "prometheus", "alertmanager")}
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self._viewers: list[subprocess.Popen[bytes]] = []
        self._rendered = folder / "rendered"
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TRAINWARDEN_")},
            **driver.environment(),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PYTHONUNBUFFERED": "1",
        }

    # --- the stack ----------------------------------------------------------------------------------------
    def configure(self, runs: dict[str, dict[str, Any]]) -> None:
        """Write trainwarden.yml for these runs, and render and scale everything from it."""
        token = self.folder / "token"
        token.touch(mode=0o600)
        token.write_text(TOKEN)
        common = {"thresholds": THRESHOLDS, "limits": LIMITS, "budget": BUDGET}
        own = {"runs": {name: {**common, **settings} for name, settings in runs.items()}}
        path = self.folder / "trainwarden.yml"
        path.write_text(yaml.safe_dump(own))
        addresses = {name: f"127.0.0.1:{port}" for name, port in self._ports.items()}
        render(configuration.load(path), self._rendered, addresses=addresses, token_file=str(token), machine="night")
        self._scale()

    def _scale(self) -> None:
        prometheus = self._rendered / "prometheus"
        scaling.rules(prometheus / "rules", prometheus / "rules", FACTOR)
        self._rewrite(prometheus / "prometheus.yml", _one_second_scrapes)
        self._rewrite(self._rendered / "alertmanager/alertmanager.yml", _quick_groups)

    @staticmethod
    def _rewrite(path: Path, change: Any) -> None:
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content))

    def start(self, name: str, program: tuple[str, ...] = ("trainwarden",)) -> None:
        """Start one service, or start it again after it was killed; our own by this module and its arguments."""
        port = self._ports[name]
        where = f"127.0.0.1:{port}"
        own = [sys.executable, "-m", *program, "--config", str(self._rendered / "trainwarden.yml"), name]
        commands = {
            "exporter": [*own, "--web.listen-address", where],
            "receiver": [*own, "--web.listen-address", where],
            "prometheus": [
                str(self._tools.prometheus),
                f"--config.file={self._rendered}/prometheus/prometheus.yml",
                f"--storage.tsdb.path={self.folder}/prometheus",
                f"--web.listen-address={where}",
            ],
            "alertmanager": [
                str(self._tools.alertmanager),
                f"--config.file={self._rendered}/alertmanager/alertmanager.yml",
                f"--storage.path={self.folder}/alertmanager",
                f"--web.listen-address={where}",
                "--cluster.listen-address=",
            ],
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self._services[name] = subprocess.Popen(commands[name], stdout=log, stderr=log, env=self.environment)
        wait_until(lambda: self._ready(name), 30, f"{name} is ready")

    def _ready(self, name: str) -> bool:
        try:
            return requests.get(self.url(name, "/-/ready"), timeout=2).ok
        except requests.RequestException:
            return False

    def url(self, name: str, path: str = "") -> str:
        """Where a service answers."""
        return f"http://127.0.0.1:{self._ports[name]}{path}"

    def pid(self, name: str) -> int:
        """The process of a service."""
        return self._services[name].pid

    def kill(self, name: str) -> None:
        """SIGKILL one service."""
        self._services[name].kill()
        self._services[name].wait()

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What Prometheus answers now: labels and value of each series."""
        reply = requests.get(self.url("prometheus", "/api/v1/query"), params={"query": expression}, timeout=5).json()
        return [(row["metric"], float(row["value"][1])) for row in reply["data"]["result"]]

    def now(self) -> float:
        """The time by Prometheus' clock."""
        return self.query("vector(time())")[0][1]

    def metric(self, name: str, expression: str) -> float | None:
        """One sample of a service's own /metrics, by its name and labels as they stand there; None where absent."""
        text = requests.get(self.url(name, "/metrics"), timeout=5).text
        found = [line for line in text.splitlines() if line.startswith(f"{expression} ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else None

    # --- the runs -----------------------------------------------------------------------------------------
    def launch(self, name: str, *arguments: str, **options: Any) -> "Run":
        """`trainwarden run NAME -- python -m trainwarden.demo …`, with a viewer of its own."""
        return self.launch_command(name, demo(Run(self, name).checkpoints, name, **options), *arguments)

    def launch_command(self, name: str, command: list[str], *options: str) -> "Run":
        """`trainwarden run NAME -- COMMAND`, with a viewer of its own."""
        run = Run(self, name)
        own = [sys.executable, "-m", "trainwarden", "--config", str(self.folder / "trainwarden.yml"), "run", name]
        with (self.folder / f"viewer-{name}.log").open("wb") as log:
            viewer = subprocess.Popen(
                [*own, *options, "--", *command],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            )
        self._viewers.append(viewer)
        run.viewer = viewer
        return run

    def alert(self, name: str, run: "Run", generation: int) -> None:
        """Send the receiver what Alertmanager would, where this night has none."""
        labels = {"alertname": name, "run": run.name, "generation": str(generation), "instance": "night"}
        alert = {
            "status": "firing", "labels": labels, "annotations": {}, "fingerprint": f"{name}-{generation}",
            "startsAt": "2026-09-21T00:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
        }  # fmt: skip
        payload = {"version": "4", "status": "firing", "receiver": "trainwarden", "alerts": [alert]}
        token = {"Authorization": f"Bearer {TOKEN}"}
        with suppress(requests.RequestException):  # it may be dead
            requests.post(self.url("receiver", "/alerts"), json=payload, headers=token, timeout=2)

    def close(self) -> None:
        """Stop everything that this night started, by pid."""
        for viewer in self._viewers:
            viewer.kill()
            viewer.wait()
        for service in self._services.values():
            service.terminate()
        for service in self._services.values():
            service.wait()
        for folder in sorted((self.folder / "state/trainwarden/runs").glob("*")):
            _clear(folder)


class Run:
    """One training of the night, read as anybody could read it: from /proc, its folder, and what it wrote."""

    def __init__(self, night: Night, name: str) -> None:
        self.name = name
        self.checkpoints = night.folder / "user" / name
        self.folder = RunFolder(name, night.folder / "state/trainwarden/runs")
        self.viewer: subprocess.Popen[bytes]
        self._night = night

    @property
    def state(self) -> RunState | None:
        """What the supervisor last wrote."""
        return self.folder.read_state()

    def generation(self) -> int:
        """The newest launch; 0 before the first."""
        return state.generation if (state := self.state) else 0

    def step(self) -> int:
        """The newest step that was seen; 0 before the first."""
        return max((progress.step or 0 for progress in self.folder.read_progress()), default=0)

    def output(self, generation: int) -> str:
        """Everything that a generation printed."""
        path = self.folder.output_path(generation)
        return path.read_bytes().decode(errors="replace") if path.exists() else ""

    def ledger(self, event: str) -> list[dict[str, Any]]:
        """The receiver's entries of one kind."""
        path = self.folder.ledger_path
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for entry in map(json.loads, lines) if entry["event"] == event]

    def processes(self, generation: int | None = None) -> list[int]:
        """Living processes that carry this run's name in their environment, from /proc and not from our metrics."""
        spec = self.folder.read_spec()
        found = []
        for pid in system.all_pids():
            environment = system.read_environment(pid)
            stat = system.read_stat(pid)
            ours = spec is not None and environment.get(RUN_ID_ENVIRONMENT) == spec.run_id
            named = environment.get("TRAINWARDEN_GENERATION") == str(generation) or generation is None
            if ours and named and stat is not None and stat.state != "Z":
                found.append(pid)
        return found

    def training_pid(self) -> int:
        """The process that the keeper started."""
        state = self.state
        assert state is not None
        assert state.training is not None
        return state.training.pid

    def exit_code(self, seconds: float) -> int:
        """What `trainwarden run` returned."""
        wait_until(lambda: self.viewer.poll() is not None, seconds, f"`trainwarden run {self.name}` returns")
        return self.viewer.returncode


def demo(output_dir: Path, name: str, **options: Any) -> list[str]:
    """The command of the demo training, with these options."""
    settings = {"output_dir": output_dir, "output_name": name, "step_seconds": 0.1, **options}
    command = [sys.executable, "-m", "trainwarden.demo", "--save_state"]
    for key, value in settings.items():
        command += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return command


def _one_second_scrapes(content: dict[str, Any]) -> None:
    content["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    for job in content["scrape_configs"]:
        for discovery in job["file_sd_configs"]:
            discovery["refresh_interval"] = "1s"


def _quick_groups(content: dict[str, Any]) -> None:
    def quicken(route: dict[str, Any]) -> None:
        route |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "10s"}
        for child in route.get("routes", []):
            quicken(child)

    quicken(content["route"])


def _clear(folder: Path) -> None:
    """Kill what is left of a run: keeper and supervisor by the run folder in their arguments, members by their tag."""
    for _ in range(20):
        left = [pid for pid in system.all_pids() if pid != os.getpid() and _belongs(pid, folder)]
        if not left:
            return
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _belongs(pid: int, folder: Path) -> bool:
    try:
        arguments = (system.PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    environment = system.read_environment(pid)
    tagged = environment.get(RUN_ENVIRONMENT) == folder.name and environment.get("XDG_STATE_HOME") == str(
        folder.parents[2]
    )
    stat = system.read_stat(pid)
    return (os.fsencode(folder) in arguments or tagged) and stat is not None and stat.state != "Z"


@contextmanager
def night(folder: Path, tools: Tools, driver: FakeDriver, runs: dict[str, dict[str, Any]]) -> Iterator[Night]:
    """The whole stack, up and ready, for these runs."""
    watch = Night(folder, tools, driver)
    watch.configure(runs)
    try:
        for name in ("exporter", "receiver", "alertmanager", "prometheus"):
            watch.start(name)
        yield watch
    finally:
        watch.close()
