"""Who lives, counted from /proc ten times a second: not from our own metrics, nor from a run folder."""

import threading
from collections import defaultdict

from tests.support.wait import wait_until
from trainwarden import system
from trainwarden.names import GENERATION_ENVIRONMENT, RUN_ID_ENVIRONMENT

EVERY = 0.1
TRAINING = b"trainwarden.demo"


class Census:
    """Every training process of every run that was ever seen alive."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._looks = 0
        self._known: dict[tuple[int, int], tuple[str, int, bytes]] = {}
        self._together: dict[str, set[frozenset[int]]] = defaultdict(set)
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> "Census":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _count(self) -> None:
        while not self._over.wait(EVERY):
            living: dict[str, set[int]] = defaultdict(set)
            for pid in system.all_pids():
                if found := self._look(pid):
                    living[found[0]].add(found[1])
            for run, generations in living.items():
                self._together[run].add(frozenset(generations))
            self._looks += 1

    def _look(self, pid: int) -> tuple[str, int, bytes] | None:
        stat = system.read_stat(pid)
        if stat is None or stat.state == "Z":
            return None
        key = pid, stat.start_time
        if key not in self._known and (found := _training(pid)):
            self._known[key] = found
        return self._known.get(key)

    def settle(self) -> None:
        """Wait until everybody that lives now has been seen."""
        looks = self._looks
        wait_until(lambda: self._looks >= looks + 2, 30, "two looks at /proc")

    def together(self, run_id: str) -> set[frozenset[int]]:
        """Which generations of the run were seen alive at the same moment."""
        return self._together[run_id]

    def commands(self, run_id: str) -> list[tuple[int, bytes]]:
        """Generation and command line of each training process that was ever seen."""
        return sorted((generation, line) for run, generation, line in self._known.values() if run == run_id)


def _training(pid: int) -> tuple[str, int, bytes] | None:
    environment = system.read_environment(pid)
    try:
        line = (system.PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return None
    generation, run_id = environment.get(GENERATION_ENVIRONMENT), environment.get(RUN_ID_ENVIRONMENT)
    return (run_id, int(generation), line) if TRAINING in line and generation and run_id else None
