"""``trainwarden up`` and ``trainwarden down``.

One process, the watchman, holds the stack together. In the foreground it is ``trainwarden up`` itself; with
``--detach`` it goes on in the background once everything answers.
"""

import signal
from collections.abc import Callable, Mapping

from trainwarden.config import Config
from trainwarden.errors import StackError
from trainwarden.runs import identity
from trainwarden.stack import background, children, demo, render, show, tools
from trainwarden.stack.ports import choose
from trainwarden.stack.services import Service, address, all_services, grafana_binary
from trainwarden.stack.state import StackFolder
from trainwarden.stack.watchman import EndAskedError, Ending, Watchman

DOWN_SECONDS = 90.0
"""How long `down` waits for the watchman to take the stack down (a demo's save in progress included)."""


def up(
    config: Config,
    *,
    detach: bool = False,
    with_demo: bool | None = None,
    ports: Mapping[str, int] | None = None,
    as_json: bool = False,
) -> None:
    """Bring the stack up and print its addresses; returns when it is ready (``detach``) or was taken down.

    ``with_demo``: whether to start the demo training; None: where no run is configured and none is alive.
    ``ports``: given ports by service. Raises ``StackError``, one sentence, where something is missing, taken or dead.
    """
    folder = StackFolder()
    folder.create()

    def hold(ready: Callable[[], None]) -> None:
        with folder.held() as mine:
            if not mine:
                raise StackError(_already_up(folder))
            _clear(folder)
            services = _prepare(config, folder, ports or {})
            _run(services, folder, demo.wanted(config, with_demo), ready, as_json=as_json, detached=detach)

    if detach:
        background.run(hold, folder.log("up"))
    else:
        hold(lambda: None)


def down() -> None:
    """Stop everything that ``up`` started, the demo included, and wait until it is gone. Other runs go on."""
    folder = StackFolder()
    state = folder.read()
    if state is None:
        show.say("No stack is up.")
        return
    watchman = state.watchman
    if identity.lives(watchman) and identity.send(watchman.pid, watchman.start_time, signal.SIGTERM):
        children.await_gone([watchman], DOWN_SECONDS)
    _clear(folder)
    show.say("The stack is down.")


def _prepare(config: Config, folder: StackFolder, given: Mapping[str, int]) -> list[Service]:
    """Everything that can fail before a process is started."""
    ports = choose(given)
    programs = tools.locate(tools.default_folder(), show.say)
    addresses = {name: address(name, ports) for name in ports if name != "grafana" or grafana_binary()}
    render.render(config, folder.rendered, addresses=addresses, token_file=str(folder.token_path))
    return all_services(folder, ports, programs)


def _run(
    services: list[Service],
    folder: StackFolder,
    with_demo: bool,
    ready: Callable[[], None],
    *,
    as_json: bool,
    detached: bool,
) -> None:
    ending = Ending()
    ending.listen()
    watchman = Watchman(folder, ending)
    try:
        watchman.start(services)
        state = watchman.settle(demo=demo.start(folder) if with_demo else "")
        show.addresses(state, folder, as_json=as_json)
        show.hint(state, folder, detached=detached)
        ready()
        watchman.watch()
    except EndAskedError:
        show.say("Stopping the stack.")
    finally:
        _clear(folder)


def _clear(folder: StackFolder) -> None:
    """Stop what ``stack.json`` says was started, and forget it. Also after a watchman that was killed."""
    state = folder.read()
    if state is None:
        return
    if state.demo:
        demo.stop(state.demo)
    children.stop(service.process for service in state.services)
    folder.forget()


def _already_up(folder: StackFolder) -> str:
    state = folder.read()
    where = next((s.url for s in state.services if s.name == "prometheus"), None) if state else None
    return f"the stack is already up{f' (Prometheus: {where})' if where else ''}; `trainwarden down` ends it"
