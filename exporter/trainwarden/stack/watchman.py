"""The watchman: starts the services, starts again what dies, stops everything at the end."""

import signal
import subprocess
import time
from types import FrameType

import msgspec

from trainwarden.runs import identity
from trainwarden.stack import children, show
from trainwarden.stack.services import Service
from trainwarden.stack.state import ServiceState, StackFolder, StackState

BEAT_SECONDS = 0.2
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before the first, second, … start of a service that keeps dying."""
SETTLED_SECONDS = 300.0
"""A service that lived so long counts as healthy again."""


class EndAskedError(Exception):
    """Somebody asked for the end: Ctrl-C, SIGTERM, a closed terminal."""


class Ending:
    """Remembers that the end was asked for.

    A flag and not an exception out of a signal handler: that could come between the start of a process and its
    being written down, and the process would be left behind.
    """

    def __init__(self) -> None:
        self._asked = False

    def listen(self) -> None:
        """From now on SIGINT, SIGTERM and SIGHUP ask for the end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def pause(self, seconds: float) -> None:
        """Sleep; raises ``EndAskedError`` once the end was asked for."""
        if not self._asked:
            time.sleep(seconds)
        if self._asked:
            raise EndAskedError

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


class _Post:
    """One service and the process that runs it now."""

    def __init__(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        self.service = service
        self.process = process
        self.started = time.monotonic()
        self.deaths = 0
        self.start_again_at: float | None = None


class Watchman:
    """Holds the services of one stack. Only one process may do so at a time (``StackFolder.held``)."""

    def __init__(self, folder: StackFolder, ending: Ending) -> None:
        self._folder = folder
        self._ending = ending
        self._posts: list[_Post] = []
        self._state = StackState(watchman=identity.myself())
        folder.write(self._state)

    def start(self, services: list[Service]) -> None:
        """Start every service and wait until all of them answer. Raises ``StackError`` where one does not."""
        for service in services:
            self._folder.data(service.name).mkdir(parents=True, exist_ok=True)
            self._folder.log(service.name).unlink(missing_ok=True)
            self._posts.append(_Post(service, self._launch(service)))
        for post in self._posts:
            show.say(f"Waiting for {post.service.title} ({post.service.url})")
            log = self._folder.log(post.service.name)
            children.await_ready(post.service, post.process, log, self._ending.pause)

    def settle(self, *, demo: str) -> StackState:
        """Write down that everything is ready."""
        self._write(ready=True, demo=demo)
        return self._state

    def watch(self) -> None:
        """Start again what dies, until the end is asked for (``EndAskedError``)."""
        while True:
            for post in self._posts:
                self._look_after(post)
            self._ending.pause(BEAT_SECONDS)

    def _look_after(self, post: _Post) -> None:
        now = time.monotonic()
        if post.start_again_at is not None and now >= post.start_again_at:
            post.start_again_at = None
            post.started = now
            post.process = self._launch(post.service)
        elif post.start_again_at is None and post.process.poll() is not None:
            post.deaths = 1 if now - post.started > SETTLED_SECONDS else post.deaths + 1
            delay = BACKOFF_SECONDS[min(post.deaths, len(BACKOFF_SECONDS)) - 1]
            post.start_again_at = now + delay
            self._report(post, delay)

    def _report(self, post: _Post, delay: float) -> None:
        log = self._folder.log(post.service.name)
        end = children.how_it_ended(post.process)
        show.say(f"{post.service.title} {end}; starting it again in {delay:.0f} s. {children.last_words(log)}")

    def _launch(self, service: Service) -> subprocess.Popen[bytes]:
        process = children.start(service, self._folder.log(service.name))
        found = identity.identify(process.pid)
        if found is not None:
            known = {s.name: s for s in self._state.services}
            known[service.name] = ServiceState(service.name, service.title, service.url, found)
            self._write(services=list(known.values()))
        return process

    def _write(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, **changes)
        self._folder.write(self._state)
