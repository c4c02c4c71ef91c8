"""A real stack to be broken and mended: quick to scrape, evaluate and send, else as `trainwarden up` makes it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import yaml

from tests.chain.test_asking import answering
from tests.stack.test_tools import put
from tests.support.home import Home
from tests.support.wait import wait_until
from trainwarden.doctor import scene as scenes
from trainwarden.doctor.finding import Status
from trainwarden.doctor.walk import Examined, walk
from trainwarden.stack.tools import Tools

SECRET = "B000/geheim"
"""Part of the address at which Slack is told."""


class Stack:
    """The stack, its files, and how to break it."""

    def __init__(self, home: Home, slack_url: str) -> None:
        self.home = home
        self.slack_url = slack_url
        self.rendered = home.stack.rendered
        self.configuration = home.folder / "config/trainwarden/trainwarden.yml"
        self.slack = home.folder / "slack-url"
        self.runs = home.folder / "state/trainwarden/runs"
        self.reloaded: set[str] = set()
        """Services that read what is broken, and so have to read it again when it is mended."""

    def pid(self, name: str) -> int:
        return {service.name: service.process.pid for service in self.home.stack.read().services}[name]

    def reload(self, *names: str) -> None:
        self.reloaded.update(names)
        for name in names:
            os.kill(self.pid(name), signal.SIGHUP)

    def edit(self, file: str, change: Callable[[Any], Any]) -> None:
        """Change a file of YAML beneath the rendered configuration; ``change`` may return a new content."""
        path = self.rendered / file
        content = yaml.safe_load(path.read_text())
        changed = change(content)
        path.write_text(yaml.safe_dump(content if changed is None else changed))

    def examine(self, given: dict[str, str] | None = None, token_file: str | None = None) -> dict[str, Examined]:
        """What the doctor finds, by link."""
        config = self.configuration if self.configuration.exists() else None
        return {one.link: one for one in walk(scenes.Scene(config, given or {}, token_file))}

    def until(self, link: str, status: Status, words: str, **options: Any) -> dict[str, Examined]:
        """Wait until the doctor finds this at the link, and return all that it finds then."""
        found: dict[str, Examined] = {}

        def seen() -> Examined | None:
            found.update(self.examine(**options))
            one, others = found[link], [name for name in broken(found) if name != link]
            # After a reload Prometheus knows no Alertmanager for five seconds.
            return one if one.status == status and words in one.found and not others else None

        try:
            wait_until(seen, 40, f"the doctor says '{words}' of {link}", every=0.2)
        except AssertionError:
            raise AssertionError(f"{link}: {found.get(link)}; {amiss(found)}") from None
        return found

    def restart(self, name: str) -> None:
        """Kill a service, and wait until the watchman has started it again."""
        before = self.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.pid(name) != before and _is_up(self, name), 60, f"{name} is started again")

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """While a service is dead, and nobody starts it again."""
        watchman = self.home.stack.read().watchman.pid
        os.kill(watchman, signal.SIGSTOP)
        try:
            os.kill(self.pid(name), signal.SIGKILL)
            yield
        finally:
            os.kill(watchman, signal.SIGCONT)

    def until_well(self) -> None:
        """Wait until every link holds."""
        found: dict[str, Examined] = {}

        def well() -> bool:
            found.update(self.examine())
            return amiss(found) == {}

        try:
            wait_until(well, 60, "the stack is well", every=0.2)
        except AssertionError:
            raise AssertionError({name: one.found for name, one in found.items() if name in amiss(found)}) from None


def amiss(found: dict[str, Examined]) -> dict[str, Status]:
    """The links that do not hold, but for the driver: a machine without a GPU is no fault."""
    return {name: one.status for name, one in found.items() if one.status != Status.OK and name != "driver"}


def broken(found: dict[str, Examined]) -> list[str]:
    """The links that failed; those not reached hang on them."""
    return [name for name, one in found.items() if one.status == Status.FAILED]


@pytest.fixture(scope="module")
def _slack_url() -> Iterator[str]:
    """A hook that takes everything."""
    with answering(b"ok", post=True) as url:
        yield f"{url}/services/T000/{SECRET}"


@pytest.fixture(scope="module")
def _stack(tmp_path_factory: pytest.TempPathFactory, tools: Tools, _slack_url: str) -> Iterator[Stack]:
    home = Home(tmp_path_factory.mktemp("home"))
    stack = Stack(home, _slack_url)
    stack.slack.write_text(_slack_url)
    stack.slack.chmod(0o600)
    stack.configuration.parent.mkdir(parents=True)
    stack.configuration.write_text(
        yaml.safe_dump({"notify": {"slack": {"api_url_file": str(stack.slack), "channel": "#training"}}})
    )
    put(home.folder / "bin/prometheus", f'exec {tools.prometheus} "$@" --rules.alert.resend-delay=1s')
    (home.folder / "bin/promtool").symlink_to(tools.promtool)
    home.environment["PATH"] = f"{home.folder / 'bin'}:{home.environment['PATH']}"
    done = home.run(*home.up("--detach", "--no-demo"))
    assert done.returncode == 0, done.stderr
    quick = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    stack.edit("prometheus/prometheus.yml", lambda content: content["global"].update(quick))
    stack.edit("alertmanager/alertmanager.yml", lambda content: content["route"].update(group_wait="0s"))
    stack.reload("prometheus", "alertmanager")
    shutil.copytree(stack.rendered, home.folder / "well")
    yield stack
    home.trainwarden("down")
    home.clear()


@pytest.fixture
def stack(_stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """The stack, well; what a test breaks is mended afterwards. Prometheus counts as long since begun."""
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, _stack.home.environment[name])
    monkeypatch.setattr(scenes, "YOUNG_SECONDS", 0.0)
    _stack.until_well()
    configuration = _stack.configuration.read_bytes()
    yield _stack
    _stack.configuration.write_bytes(configuration)
    _stack.slack.write_text(_stack.slack_url)
    # File by file: of a folder that is taken away, Prometheus' discovery would watch nothing any more.
    shutil.copytree(_stack.home.folder / "well", _stack.rendered, dirs_exist_ok=True)
    wait_until(lambda: _answers(_stack), 30, "every service answers again")
    _stack.reload(*_stack.reloaded)
    _stack.reloaded.clear()


def _answers(stack: Stack) -> bool:
    return all(_is_up(stack, name) for name in stack.home.ports)


def _is_up(stack: Stack, name: str) -> bool:
    try:
        return stack.home.get(name, "/-/healthy").ok
    except requests.RequestException:
        return False
