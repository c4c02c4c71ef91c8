"""The threads that answer: whoever is free goes on with the next connection that has something to say.

They are few, however many connections there are. Python runs one thread at a time, and which one is chance: among
fifty that all want to run, some would wait ten times as long as others. The kernel hands connections out in the order
in which they became ready. Where all of the few are held up (by a disk, by a GPU driver), others are started.
"""

import select
import socket
import threading
import time
from collections.abc import Callable

from trainwarden.web.conversation import OVER, Conversation

FEW = 2
"""Threads that there are always: one may wait for the disk while the other answers."""
MOST = 64
REST_SECONDS = 5.0
"""After which a thread beyond the few that had nothing to do ends."""
HELD_UP_SECONDS = 0.02
"""How long nobody may have been free, and nothing have been taken up, until one more thread is started."""


class Crew:
    """Goes on with conversations until it is closed."""

    def __init__(self, over: Callable[[Conversation], None], call: Callable[[], None]) -> None:
        """``over`` is told of every conversation that has ended; ``call`` says that nobody is free: see ``relieve``."""
        self._over = over
        self._call = call
        self._ready = select.epoll()
        self._conversations: dict[int, Conversation] = {}
        self._closing, self._close = socket.socketpair()
        self._ready.register(self._closing, select.EPOLLIN)
        self._lock = threading.Lock()
        self._size = self._waiting = self._taken = 0
        self._judged_at, self._judged_by = 0.0, 0
        self.short = False
        """Whether nobody was free a moment ago."""
        for _ in range(FEW):
            self._hire()

    def take_on(self, conversation: Conversation) -> None:
        """See to a new connection from now on."""
        self._conversations[conversation.descriptor] = conversation
        self._ready.register(conversation.descriptor, select.EPOLLIN | select.EPOLLONESHOT)

    def relieve(self) -> None:
        """Start one more where all have been held up. To be called every ``HELD_UP_SECONDS`` while ``short``."""
        with self._lock:
            if not self.short or time.monotonic() < self._judged_at:
                return
            held_up = not self._waiting and self._taken == self._judged_by
            self.short = not self._waiting
            self._judge_later()
            if not held_up or self._size >= MOST:
                return
        self._hire()

    def close(self) -> None:
        """Let everybody go who has nothing to do; what hangs is left alone."""
        if self._close.fileno() >= 0:
            self._close.close()  # which its other end can read, and everybody sees

    def _hire(self) -> None:
        with self._lock:
            self._size += 1
        threading.Thread(target=self._work, name="answering", daemon=True).start()

    def _work(self) -> None:
        while (conversation := self._next()) is not None:
            waits_for = conversation.advance()
            if waits_for == OVER:
                self._end(conversation)
            else:
                self._ready.modify(conversation.descriptor, waits_for | select.EPOLLONESHOT)
            del conversation  # what it holds must not live until the next

    def _next(self) -> Conversation | None:
        """The next that is ready, for this thread alone; None where the thread is one too many."""
        while True:
            with self._lock:
                self._waiting += 1
            ready = self._ready.poll(REST_SECONDS, 1)
            descriptor = ready[0][0] if ready else None
            with self._lock:
                self._waiting -= 1
                if descriptor == self._closing.fileno() or (descriptor is None and self._size > FEW):
                    self._size -= 1
                    return None
                if descriptor is None:
                    continue
                calls = self._note_taken()
            if calls:
                self._call()
            return self._conversations[descriptor]

    def _note_taken(self) -> bool:
        """Whether nobody is free any more, and that is new."""
        self._taken += 1
        if self._waiting or self.short:
            return False
        self.short = True
        self._judge_later()
        return True

    def _judge_later(self) -> None:
        self._judged_at, self._judged_by = time.monotonic() + HELD_UP_SECONDS, self._taken

    def _end(self, conversation: Conversation) -> None:
        # Taken off before it is closed: a child that is just being started may hold the connection a moment longer.
        self._ready.unregister(conversation.descriptor)
        del self._conversations[conversation.descriptor]
        conversation.drop()
        self._over(conversation)
