"""A small HTTP/1.1 server that nobody can hold up, beneath both edges.

A connection may carry many requests (Prometheus keeps its one open) and has no thread of its own; each request has one
deadline. Connections have a cap: the one whose client has been waited for longest makes room for a new one, idle or
amid its request. Whatever is sent, the answer is one sentence with the right status; only 4xx for what is wrong with a
request.
"""

import errno
import logging
import selectors
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from http import HTTPStatus
from types import TracebackType

from trainwarden.config import split_address
from trainwarden.errors import TrainwardenError
from trainwarden.web import memory
from trainwarden.web.conversation import Conversation, Host
from trainwarden.web.crew import HELD_UP_SECONDS, Crew

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
TURNED_AWAY = 32
"""Connections without room that are kept a while: closed at once, they would lose their answer to a reset."""
SWEEP_SECONDS = 1.0
"""How often deadlines are looked at, while there are connections."""
DRAIN_SECONDS = 0.5
"""How long the server's end waits for answers in progress."""


class ListenError(TrainwardenError):
    """The address cannot be listened on."""


class Server:
    """Listens on every address and lets ``host`` answer. Closes on leaving a ``with``."""

    def __init__(self, listen: Iterable[str], host: Host) -> None:
        """Bind; port 0 takes any that is free. Raises ``ListenError``, and ``ConfigurationError`` for no address."""
        self._host = host
        self._open: dict[Conversation, None] = {}
        """In the order of opening."""
        self._away: deque[Conversation] = deque()
        """The last that were turned away."""
        self._changed = threading.Condition()
        self._waking, self._wake = socket.socketpair()
        self._told_to_stop = False
        self._sweep_at = 0.0
        self._crew = Crew(self._forget, self._call)
        self._listeners: list[socket.socket] = []
        with ExitStack() as undo:
            undo.callback(self.close)
            for address in listen:
                self._listeners.append(_listen(address))
            undo.pop_all()

    @property
    def urls(self) -> list[str]:
        """Where it listens."""
        return [_url(self._host.scheme, listener) for listener in self._listeners]

    def serve(self) -> None:
        """Accept connections until ``stop``. Nothing that a client does or leaves undone blocks this loop."""
        with selectors.DefaultSelector() as selector:
            for waiting in (*self._listeners, self._waking):
                selector.register(waiting, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._rest()):
                    if self._told_to_stop:
                        return
                    if key.fileobj is self._waking:
                        self._waking.recv(64)
                    else:
                        self._accept(key.fileobj)  # type: ignore[arg-type]  # one of the sockets above
                self._crew.relieve()
                self._sweep()

    def stop(self) -> None:
        """Make ``serve`` return; from any thread, or from a signal's handler."""
        self._told_to_stop = True
        self._call()

    def close(self) -> None:
        """Let go of the addresses first, then end every connection; answers in progress have ``DRAIN_SECONDS``.

        The order matters: a thread that hangs inside the kernel would hold a listening socket beyond the process's end.
        """
        for listener in self._listeners:
            listener.close()
        with self._changed:
            for conversation in self._open:
                conversation.end()
            self._changed.wait_for(lambda: not self._open, DRAIN_SECONDS)
        for conversation in self._away:
            conversation.drop()
        self._crew.close()
        self._waking.close()
        self._wake.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:  # mostly a client that left again
            if error.errno in (errno.EMFILE, errno.ENFILE):
                log.warning("no connection can be accepted for a second: %s", error.strerror)
                time.sleep(1)
            return
        conversation = Conversation(connection, self._host)
        if self._admit(conversation):
            self._crew.take_on(conversation)
        else:
            self._turn_away(conversation)

    def _turn_away(self, conversation: Conversation) -> None:
        self._host.count(HTTPStatus.SERVICE_UNAVAILABLE)
        conversation.turn_away()
        self._away.append(conversation)
        if len(self._away) > TURNED_AWAY:
            self._away.popleft().drop()

    def _admit(self, conversation: Conversation) -> bool:
        """Take it in where there is room, or another can make room."""
        with self._changed:
            if len(self._open) >= MAX_CONNECTIONS:
                other = self._dispensable()
                if other is None:
                    return False
                del self._open[other]
            self._open[conversation] = None
            return True

    def _dispensable(self) -> Conversation | None:
        """One that makes room, and has been told so: the one whose client has been waited for longest.

        Not first of all the idle ones: slow clients would take the place of those that only pause between two requests.
        """
        waiting = [other for other in self._open if not other.answering]
        longest = min(waiting, key=lambda other: other.waits_since, default=None)
        if longest is not None and longest.idle:
            longest.end()
        elif longest is not None:
            longest.let_go()
        return longest

    def _rest(self) -> float | None:
        """Seconds until there is something to be looked at."""
        if self._crew.short:
            return HELD_UP_SECONDS
        return SWEEP_SECONDS if self._open else None

    def _sweep(self) -> None:
        now = time.monotonic()
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        with self._changed:
            overdue = [conversation for conversation in self._open if conversation.overdue]
        for conversation in overdue:
            conversation.let_go()

    def _call(self) -> None:
        with suppress(OSError):  # closed already
            self._wake.send(b"x")

    def _forget(self, conversation: Conversation) -> None:
        with self._changed:
            self._open.pop(conversation, None)
            self._changed.notify_all()


def serve_until_told(server: Server, who: str, page: str = "") -> None:
    """Say where the server listens, and serve until SIGTERM or SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    memory.settle()
    for url in server.urls:
        print(f"{who}: listening on {url}{page}", file=sys.stderr, flush=True)
    server.serve()


def _listen(address: str) -> socket.socket:
    host, port = split_address(address)
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ListenError(
            f"cannot listen on {address}: {error.strerror or error}; end what uses port {port}, or choose another "
            "address with --web.listen-address HOST:PORT (or `listen:` in trainwarden.yml)"
        ) from error
    listener.setblocking(False)  # a client that leaves between select and accept must not hold the loop up
    return listener


def _url(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
