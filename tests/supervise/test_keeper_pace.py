"""How long the keeper lets a training print before it hears it again: its own wakings are what it costs."""

import os
import selectors
from pathlib import Path

import pytest

from trainwarden.supervise import keeper
from trainwarden.supervise.keeper import Keeper, pause_after


def test_one_that_goes_on_printing_is_heard_ever_more_rarely_up_to_half_a_second() -> None:
    pauses = [0.0]
    for _ in range(4):
        pauses.append(pause_after(70, pauses[-1]))
    assert pauses[1:] == [0.15, 0.3, 0.5, 0.5]


def test_one_that_prints_much_is_not_kept_waiting() -> None:
    assert pause_after(4096, 0.5) == 0.0


def test_a_pause_in_which_nothing_came_ends_at_the_next_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step every few seconds is timed at the moment at which it is printed."""
    (tmp_path / "run.json").write_text('{"cwd": "/", "name": "luca", "run_id": "pace"}')
    kept, slept = Keeper(tmp_path), list[float]()
    reader, writer = os.pipe()
    kept._selector.register(reader, selectors.EVENT_READ, lambda: None)
    monkeypatch.setattr(keeper.time, "sleep", slept.append)
    os.write(writer, b"a step")
    kept._pause = 0.3
    assert kept._ready() and kept._pause == 0.3
    os.read(reader, 100)
    monkeypatch.setattr(kept._supervisor, "wait_seconds", lambda _: os.write(writer, b"the next") and 5.0)
    assert kept._ready() and kept._pause == 0.0
    assert slept == [0.3, 0.3]
