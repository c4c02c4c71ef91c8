"""A server that never comes to an end: a byte now and then, so that no read of it ever times out."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_SECONDS = 0.05


@contextmanager
def trickling(head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") -> Iterator[str]:
    """Its address. ``head`` comes at once, and what follows drop by drop."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        over = threading.Event()

        def trickle() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(head)
                while not over.wait(EVERY_SECONDS):
                    connection.sendall(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            over.set()
            thread.join()
