"""One drill from beginning to end: the ground, the stack on it, each fault in turn, and the clearing away."""

import os
import socket
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec

import msgspec

from trainwarden.chain.addresses import USUAL
from trainwarden.chain.alertmanager import Alertmanager
from trainwarden.chain.metrics import Exporter
from trainwarden.chain.prometheus import Prometheus
from trainwarden.config import Config, NotifyConfig
from trainwarden.drill import people, scaling
from trainwarden.drill.earnest import Earnest
from trainwarden.drill.faults import FAULTS, Fault
from trainwarden.drill.follow import BrokenError, Follower
from trainwarden.drill.ground import DrillError, Ground, ground
from trainwarden.drill.links import Answer, Scene
from trainwarden.drill.report import Report
from trainwarden.drill.scratch import Scratch, settings
from trainwarden.drill.simulated import Simulation
from trainwarden.errors import StackError, TrainwardenError
from trainwarden.stack import ports, render, services, tools
from trainwarden.stack.watchman import EndAskedError, Ending, Watchman

INTERRUPTED = 130
"""The exit code of a drill that was ended by Ctrl-C, as a shell has it."""


def drill(config: Config, names: Iterable[str], *, factor: float, tell: bool, as_json: bool) -> int:
    """Drill these faults one after the other; returns the exit code: 0 where every link answered.

    ``config``: the user's; only its thresholds, and with ``tell`` its ``notify:``, are the drill's too. ``factor``: by
    which durations are divided. Raises ``DrillError``, ``StackError`` and ``ConfigurationError`` for what keeps it from
    beginning.
    """
    ending, report = Ending(), Report(quiet=as_json)
    ways = people.ways(config.notify) if tell else {}
    if tell and not ways:
        raise DrillError(
            "--notify: nobody is to be told; set notify.slack, notify.email or notify.webhook in trainwarden.yml first"
            " (docs/notifications.md)"
        )
    _check_demo()
    faults = [FAULTS[name]() for name in names]
    ending.listen()
    try:
        with ground(report.say) as place:
            _Drill(config, place, ending, report, factor=factor, ways=ways).run(faults)
    except EndAskedError:
        report.say("The drill was ended early; nothing of it is left.")
        return INTERRUPTED
    finally:
        report.close()
    if as_json:
        print(report.json(factor, ways))
    return 0 if report.ok else 1


class _Drill:
    def __init__(
        self, config: Config, place: Ground, ending: Ending, report: Report, *, factor: float, ways: people.Ways
    ) -> None:
        """``ways``: by which people are told; empty: nobody is."""
        self._user = config
        self._place = place
        self._ending = ending
        self._report = report
        self._factor = factor
        self._ways = ways
        self._earnest = Earnest(config)
        self._ports = ports.unusual()
        self._simulation = Simulation(place.readings)
        self._environment = {**os.environ, **place.environment}

    def run(self, faults: list[Fault]) -> None:
        self._report.opening(self._factor, self._ways)
        try:
            self._start(faults)
        except StackError as error:
            self._report.broken(faults[0].name, [], BrokenError(str(error), link=_named(error), title="the stack"))
            return
        for fault in faults:
            self._fault(fault)

    def _start(self, faults: list[Fault]) -> None:
        """Bring the stack up, scaled. Raises ``StackError``."""
        folder = self._place.stack
        programs = tools.locate(tools.default_folder(), self._report.say)
        folder.create()
        self._render(self._config(faults))
        for fault in faults:
            self._scratch(fault).simulate()
        every = services.all_services(folder, self._ports, programs)
        Watchman(folder, self._ending).start([self._mine(service) for service in every if service.name != "grafana"])

    def _config(self, faults: list[Fault]) -> Config:
        """The user's thresholds, and the user's people where they are told; nothing else of the user's."""
        thresholds = scaling.thresholds(self._user, self._factor)
        runs = {_name(fault): settings(thresholds, self._factor) for fault in faults}
        # Asked for now, so also in quiet hours; a dead man's switch is not the drill's to hold.
        asked = msgspec.structs.replace(self._user.notify, quiet=None, heartbeat_url_file=None)
        notify = asked if self._ways else NotifyConfig()
        return Config(notify=notify, thresholds=self._user.thresholds, runs=runs)

    def _render(self, config: Config) -> None:
        folder = self._place.stack
        addresses = {name: services.address(name, self._ports) for name in self._ports if name != "grafana"}
        machine = f"DRILL-{socket.gethostname()}"
        render.render(config, folder.rendered, addresses=addresses, token_file=str(folder.token_path), machine=machine)
        scaling.stack(folder.rendered, self._factor)

    def _mine(self, service: services.Service) -> services.Service:
        """In the drill's environment; the exporter is the one with simulated sensors."""
        environment = {**service.environment, **self._place.environment}
        command = service.command
        if service.name == "exporter":
            configured = str(self._place.stack.rendered / "trainwarden.yml")
            module = [sys.executable, "-m", "trainwarden.drill.exporter"]
            command = [*module, configured, str(self._place.readings), command[-1]]
        if service.name == "alertmanager" and self._ways:
            command = [*command, people.LOUD]
        return service._replace(command=command, environment=environment)

    def _fault(self, fault: Fault) -> None:
        self._report.fault(fault)
        run = self._scratch(fault)
        slower = scaling.FACTOR / self._factor
        follower = Follower(self._scene(run), fault, self._place.stack, self._ending.pause, slower=slower)
        answers: list[Answer] = []
        try:
            self._launch(run)
            for answer in follower.run(self._ways, self._report.waiting):
                answers.append(answer)
                self._report.answered(answer)
            self._report.done(fault, answers)
        except BrokenError as error:
            self._report.broken(fault.name, answers, error)
        finally:
            run.stop(self._environment)

    def _scratch(self, fault: Fault) -> Scratch:
        return Scratch(self._place, _name(fault), self._simulation)

    def _scene(self, run: Scratch) -> Scene:
        url = {name: f"http://{services.address(name, self._ports)}" for name in self._ports}
        return Scene(
            run,
            Exporter(f"{url['exporter']}/metrics"),
            Prometheus(url["prometheus"]),
            Alertmanager(url["alertmanager"]),
            self._earnest,
            self._place.stack.log("alertmanager"),
            Counter(),
        )

    def _launch(self, run: Scratch) -> None:
        try:
            run.launch(self._environment)
        except TrainwardenError as error:
            raise BrokenError(str(error), link="training", title="the scratch run is started") from error


def _check_demo() -> None:
    """The scratch run is the demo training, whose libraries are an extra."""
    missing = [library for library in ("numpy", "safetensors", "tqdm") if find_spec(library) is None]
    if missing:
        what = " and ".join(missing)
        raise DrillError(f"the scratch run needs the library {what}; install it with: pip install 'trainwarden[demo]'")


def _name(fault: Fault) -> str:
    return f"drill-{fault.name}"


def _named(error: StackError) -> str:
    """The service that the sentence begins with, or the stack as a whole."""
    first = str(error).partition(" ")[0].lower()
    return first if first in USUAL else "stack"
