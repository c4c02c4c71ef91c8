import threading
import time
from pathlib import Path

import pytest

from tests.support.wait import wait_until
from trainwarden.checkpoints.base import Found
from trainwarden.collectors.checkpoints.verifier import Verifier

FIRST, CHANGED = (("a", 1, 1, 1),), (("a", 1, 2, 2),)


def found(name: str) -> Found:
    return Found(Path(name), None, None, final=False, resumable=True)


def look(verifier: Verifier, *names: str, seconds: float = 0.0, signature: object = FIRST) -> list[str | None]:
    with verifier.waiting(time.monotonic() + seconds):
        return [verifier.verdict(found(name), signature) for name in names]  # type: ignore[arg-type]


class Disk:
    """Reads when it is let, and remembers what."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.begun = threading.Event()
        self.read: list[str] = []

    def verify(self, checkpoint: Found) -> str:
        self.begun.set()
        assert self.answers.wait(20)
        self.read.append(checkpoint.path.name)
        return f"{checkpoint.path.name} is damaged"


def test_what_is_read_in_time_is_told_at_once() -> None:
    assert look(Verifier(lambda _: ""), "a", "b", seconds=20.0) == ["", ""]


def test_what_takes_longer_goes_on_meanwhile_and_is_told_later_and_read_once() -> None:
    disk = Disk()
    verifier = Verifier(disk.verify)
    assert look(verifier, "a", "b") == [None, None]
    disk.answers.set()
    wait_until(lambda: disk.read == ["a", "b"], 20, "both read, without another look")
    assert look(verifier, "a", "b", seconds=20.0) == ["a is damaged", "b is damaged"]
    assert disk.read == ["a", "b"]


def test_a_verdict_is_not_told_of_what_has_changed_since() -> None:
    disk = Disk()
    verifier = Verifier(disk.verify)
    look(verifier, "a")
    assert disk.begun.wait(20)
    assert look(verifier, "a", signature=CHANGED) == [None]
    disk.answers.set()
    assert look(verifier, "a", signature=CHANGED, seconds=20.0) == ["a is damaged"]
    assert disk.read == ["a", "a"]


def test_what_is_gone_is_neither_read_nor_remembered() -> None:
    disk = Disk()
    verifier = Verifier(disk.verify)
    look(verifier, "a", "b", "c")
    assert disk.begun.wait(20)
    look(verifier, "b")
    disk.answers.set()
    assert look(verifier, "b", seconds=20.0) == ["b is damaged"]
    assert disk.read == ["a", "b"], "a was being read"
    assert look(verifier, "a", seconds=20.0) == ["a is damaged"]
    assert disk.read == ["a", "b", "a"]


def test_what_the_reading_raises_is_raised_where_it_is_asked_and_the_next_is_read_all_the_same() -> None:
    def verify(checkpoint: Found) -> str:
        if checkpoint.path.name == "a":
            raise OSError("stale handle")
        return ""

    verifier = Verifier(verify)
    with pytest.raises(OSError, match="stale handle"):
        look(verifier, "a", seconds=20.0)
    assert look(verifier, "b", seconds=20.0) == [""]


def test_one_that_takes_suspiciously_long_is_told_by_its_path_until_it_is_done() -> None:
    disk = Disk()
    verifier = Verifier(disk.verify, slow_seconds=0.05)
    assert verifier.slow == ""
    look(verifier, "/models/a")
    said = wait_until(lambda: verifier.slow, 20, "a sentence")
    assert said == "/models/a: has been read for 0.05 s and still is; see whether its disk answers"
    disk.answers.set()
    wait_until(lambda: verifier.slow == "", 20, "the end of it")
