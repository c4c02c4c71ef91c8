"""Starting, awaiting and stopping the processes of the stack."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import requests

from trainwarden.errors import StackError
from trainwarden.model import Identity
from trainwarden.runs import identity
from trainwarden.stack.services import Service

READY_SECONDS = 60.0
"""From a service's start until it must answer."""
STOP_SECONDS = 10.0
"""From SIGTERM to SIGKILL (Prometheus writes its head out in between)."""
LAST_LINES = 12


def start(service: Service, log: Path) -> subprocess.Popen[bytes]:
    """Start a service in a session of its own, so that a Ctrl-C in the terminal does not reach it first."""
    with log.open("ab") as output:
        try:
            return subprocess.Popen(
                service.command,
                env=service.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{service.title} cannot be started: {service.command[0]}: {error.strerror}") from error


def await_ready(service: Service, process: subprocess.Popen[bytes], log: Path, pause: Callable[[float], None]) -> None:
    """Wait until the service answers. Raises ``StackError`` with its last words where it dies or stays silent."""
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(service.ready_url):
        if process.poll() is not None:
            raise StackError(f"{service.title} {how_it_ended(process)} before it was ready. {last_words(log)}")
        if time.monotonic() > deadline:
            raise StackError(f"{service.title} was not ready after {READY_SECONDS:.0f} s. {last_words(log)}")
        pause(0.1)


def stop(processes: Iterable[Identity], seconds: float = STOP_SECONDS) -> None:
    """SIGTERM to exactly these processes, and SIGKILL to those that are still there after ``seconds``.

    Of another boot or PID namespace, pid and start time say nothing about who is there now.
    """
    known = [p for p in processes if identity.lives(p)]
    alive = [p for p in known if identity.send(p.pid, p.start_time, signal.SIGTERM)]
    alive = await_gone(alive, seconds)
    for process in alive:
        identity.send(process.pid, process.start_time, signal.SIGKILL)
    await_gone(alive, seconds)


def await_gone(processes: Iterable[Identity], seconds: float) -> list[Identity]:
    """Wait until none of these processes lives; returns those that still do after ``seconds``."""
    deadline = time.monotonic() + seconds
    while alive := [p for p in processes if identity.is_process(p.pid, p.start_time)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return alive


def how_it_ended(process: subprocess.Popen[bytes]) -> str:
    """A died service's end, as people say it."""
    code = process.returncode
    return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended (exit code {code})"


def last_words(log: Path) -> str:
    """The end of a service's log, for the user."""
    lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
    return "\n  ".join([f"The end of {log}:", *lines]) if lines else f"{log} is empty."


def _answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the user's does not know our loopback
        try:
            return session.get(url, timeout=2).ok
        except requests.RequestException:
            return False
