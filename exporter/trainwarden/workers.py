"""Threads that stand by for work that may never come back. Starting a thread costs more than most readings do.

A thread that has done its work waits for the next; one whose work hangs is simply not there, and another is started.
All are daemons: the process can end though a reading never does.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue

STANDING = 4
"""Threads that wait for work at most; after a burst (many folders hung, and came back) the others end."""

Work = Callable[[], object]

_lock = threading.Lock()
_idle: list["SimpleQueue[Work]"] = []
"""The queues of those who wait, the last to have worked last: its memory is warm."""


def begin(work: Work) -> None:
    """Have ``work`` done in another thread, at once. It must see to its own errors."""
    with _lock:
        orders = _idle.pop() if _idle else None
    if orders is None:
        threading.Thread(target=_stand_by, args=(work,), daemon=True).start()
    else:
        orders.put(work)


def _stand_by(work: Work) -> None:
    orders: SimpleQueue[Work] = SimpleQueue()
    while True:
        work()
        del work  # what it holds must not live until the next
        with _lock:
            if len(_idle) >= STANDING:
                return
            _idle.append(orders)
        work = orders.get()
