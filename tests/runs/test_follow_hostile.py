"""Output that nobody meant to be read: no exception, bounded time and memory."""

import time
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwarden.model import Progress
from trainwarden.runs.events import read_line
from trainwarden.runs.follow import Follower

FRAGMENTS = [
    b"\r",
    b"\n",
    b"\x1b[",
    b"\x1b]8;;http://x",
    b"\x1b\\",
    b"\x07",
    b"steps: ",
    b" 10%|",
    "█".encode(),
    "█".encode()[:2],
    b"| 3/9 [",
    b"00:01<00:02, avr_loss=",
    b"nan",
    b"1e999",
    b"9" * 5000,
    b"]",
    b"epoch 3/0\n",
    b"  total optimization steps / x: 0\n",
    b"  num epochs / x: 0\n",
    b"  gradient accumulation steps / x = 0\n",
    b"saving checkpoint: ",
    b"{'loss': '",
    b"Traceback (most recent call last):\n",
    b"RuntimeError: ",
    b"CUDA out of memory",
    b"died with <Signals.SIGKILL: 99>",
]
hostile = st.lists(st.binary(max_size=60) | st.sampled_from(FRAGMENTS), max_size=60)


@settings(max_examples=200, deadline=None)
@given(chunks=hostile, epochs=st.none() | st.integers(0, 5))
def test_no_output_makes_the_follower_fail_and_cuts_change_nothing(chunks: list[bytes], epochs: int | None) -> None:
    whole, pieces = Follower(1, 0.0, resumed_epochs=epochs), Follower(1, 0.0, resumed_epochs=epochs)
    whole.feed(b"".join(chunks), 1.0)
    for chunk in chunks:
        pieces.feed(chunk, 1.0)
    assert counts(whole) == counts(pieces)
    for follower in (whole, pieces):
        follower.finish(1.0)
        encoded = msgspec.json.encode(follower.progress())
        Follower.resume(msgspec.json.decode(encoded, type=Progress)).feed(b"".join(chunks), 2.0)
        assert len(encoded) < 4096


def counts(follower: Follower) -> tuple[object, ...]:
    progress = follower.progress()
    return (progress.step, progress.steps_done, progress.count, progress.phase, progress.saves, progress.position)


LONG = {
    "one letter": "x" * 70_000,
    "blanks": " " * 70_000,
    "a bar that never ends": "steps:  10%|" + "█" * 70_000,
    "digits": "1" * 70_000,
    "epochs": "Epoch " * 12_000,
    "dots": "a." * 35_000,
    "brackets": "[rank0]: " * 8_000,
    "header": "  num epochs / " + ": 1 " * 17_000,
    "percent": "1% " * 24_000,
    "colons": ": " * 35_000 + "5% ",
    "rich": "A" + " " * 500 + "━ 1/1 " * 9_000,
    "bar after bar": "1% 1/1 [" * 8_000,
    "worker": "DataLoader worker (pid" * 3_000,
}


@pytest.mark.parametrize("line", LONG.values(), ids=LONG)
def test_a_long_line_is_read_in_time_that_grows_with_its_length_only(line: str) -> None:
    """Not a measure of speed: a pattern that tries every way through such a line takes a hundred times as long."""
    begin = time.process_time()
    for _ in range(20):
        read_line(line)
    assert time.process_time() - begin < 2.0


@pytest.mark.parametrize("filler", [b"z", b" ", b"\x1b]8;;", b"\x1b[1m", b"\xff", "█".encode(), b"steps: 1%| "])
def test_ten_megabytes_without_an_end_of_line_stay_in_bounds(filler: bytes) -> None:
    follower = Follower(1, 0.0)
    chunk = (filler * (65536 // len(filler) + 1))[:65536]
    tracemalloc.start()
    try:
        for second in range(160):
            follower.feed(chunk, float(second))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    follower.feed("\nsteps:  10%|█    | 6/60 [00:01<00:10, 1.00s/it]".encode(), 200.0)
    assert follower.progress().step == 6
