"""Writes the count to its file, from a thread of its own: a disk that is full, slow or gone is not the training's."""

import atexit
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from trainwarden.heartbeat.count import Count
from trainwarden.heartbeat.place import Place, Target

SECONDS = 1.0
"""The least time between two writes; those of another rank than 0 only say that it lives, and are rarer."""
OTHER_RANKS_SECONDS = 10.0
CLOSE_SECONDS = 2.0
"""How long the end of the training waits for the last write."""


class Writer:
    """Writes when there was news. ``say`` is told of errors, which change nothing else."""

    def __init__(self, count: Count, place: Place, framework: str, say: Callable[[str, Exception], None]) -> None:
        self._count = count
        self.place = place
        self._framework = str(framework)
        self._say = say
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._written: float | None = None
        """``Count.beat_at`` as it was last written."""
        self._carried: dict[str, Any] | None = None
        """What the file held before this process began; None until it was looked for."""
        self._every = SECONDS
        self.asleep = place.run is not None
        """Whether ``wake`` would begin the thread; never where there is no run to write of."""

    def wake(self) -> None:
        """Begin the thread, where it sleeps. What could not be begun is not tried again at every step."""
        if not self.asleep:
            return
        self.asleep = False
        self._closing = threading.Event()
        thread = threading.Thread(target=self._run, args=(self._closing,), name="trainwarden-heartbeat", daemon=True)
        thread.start()
        self._thread = thread
        atexit.register(self.close)

    def close(self) -> None:
        """Have the thread write the last news, and end."""
        atexit.unregister(self.close)
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._closing.set()
        thread.join(CLOSE_SECONDS)
        self.asleep = True

    def retire(self) -> None:
        """Another writer of this process goes on with the file: write the last news, and sleep for good."""
        if self._thread is not None:
            self.close()
            self.asleep = False

    def forget_thread(self) -> None:
        """After a fork: the thread is the parent's."""
        self._thread = None
        self.asleep = self.place.run is not None

    def _run(self, closing: threading.Event) -> None:
        over = False
        while not over:
            self._write_news()
            over = closing.wait(self._every)
        self._write_news()

    def _write_news(self) -> None:
        beat = self._count.beat_at
        if beat == self._written:
            return
        try:
            target = self.place.find()
            if target is not None:
                self._every = SECONDS if target.rank == 0 else OTHER_RANKS_SECONDS
                _replace(target, self._text(target))
                self._written = beat
        except FileNotFoundError:  # the run's folder is gone: it was moved aside, or never there
            return
        except Exception as error:
            self._say("write", error)

    def _text(self, target: Target) -> bytes:
        if self._carried is None:
            self._carried = carried(_read(target), target.generation)
        behind = time.time() - time.monotonic()
        said = self._count.document(lambda moment: moment + behind)
        whole = {
            "writer": "heartbeat",
            "rank": target.rank,
            "generation": target.generation,
            "framework": self._framework,
            **added(said, self._carried),
        }
        return json.dumps(whole, allow_nan=False).encode()


def _replace(target: Target, data: bytes) -> None:
    """Replace the file whole. Not by ``tempfile``: a fork in the midst of it would leave its lock locked in the child,
    and a data loader's worker makes temporary files, too.
    """
    temporary = target.path.with_name(f".{target.path.name}.{os.getpid()}")
    try:
        with open(temporary, "wb", opener=_private) as file:
            file.write(data)
        temporary.replace(target.path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(target: Target) -> Any:
    try:
        return json.loads(target.path.read_bytes())
    except (OSError, ValueError):
        return None


def carried(former: Any, generation: int) -> dict[str, Any]:
    """What goes on counting from a former file: all of it in the same generation (a launcher that restarted its
    workers), the losses that were not finite in any. Empty for a file that holds something else.
    """
    try:
        losses = int(former["nonfinite_losses"])
        if former["generation"] != generation:
            return {"nonfinite_losses": losses}
        durations = {"counts": [*map(int, former["durations"]["counts"])], "sum": float(former["durations"]["sum"])}
        whole = {name: int(former[name]) for name in ("steps_done", "saves")}
        return {"nonfinite_losses": losses, "durations": durations, **whole}
    except (LookupError, TypeError, ValueError):
        return {}


def added(said: dict[str, Any], former: dict[str, Any]) -> dict[str, Any]:
    """What this process counted, on top of what was carried over."""
    counters = ("steps_done", "saves", "nonfinite_losses")
    sums: dict[str, Any] = {name: said[name] + former[name] for name in counters if name in former}
    before, own = former.get("durations"), said["durations"]
    if before is None or len(before["counts"]) != len(own["counts"]):
        return {**said, **sums}
    counts = [one + other for one, other in zip(own["counts"], before["counts"], strict=True)]
    return {**said, **sums, "durations": {"counts": counts, "sum": own["sum"] + before["sum"]}}
