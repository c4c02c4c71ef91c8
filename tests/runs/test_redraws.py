"""The counting bar drawn again is taken in by its bytes: nothing is told otherwise than by reading each drawing."""

from itertools import chain
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainwarden.model import Phase, Progress
from trainwarden.runs import redraws
from trainwarden.runs.bars import EPOCH, STEPS, Bar, read_bar
from trainwarden.runs.follow import Follower
from trainwarden.runs.redraws import Drawing, drawing_of


def bar(n: int, stats: str = ", avr_loss=0.5", name: str = "steps: ", total: int = 60) -> bytes:
    return f"{name} 10%|█         | {n}/{total} [00:01<00:10,  1.00s/it{stats}]".encode()


def known(line: bytes) -> Drawing:
    read, _ = read_bar(line.decode())
    assert read is not None
    drawing = drawing_of(line, read)
    assert drawing is not None
    return drawing


def test_the_newest_of_redraws_is_told_and_how_many_they_are() -> None:
    lines = [b"epoch 1/6", bar(2), bar(2, ", avr_loss=0.4"), bar(5), bar(5, ", avr_loss=0.3"), b"epoch 2/6", bar(6)]
    found = known(bar(1)).read(lines, 1, 1)
    assert (found.first, found.newest, found.counts, found.lines) == (2, 5, 2, 4)
    assert found.stats.endswith(b"avr_loss=0.3")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(bar(3) + b"RuntimeError: x", id="error text glued to it"),
        pytest.param(b"x" + bar(3), id="text before it"),
        pytest.param(bar(3, total=50), id="another total"),
        pytest.param(bar(3, name="validation steps: "), id="another name"),
        pytest.param(bar(1), id="it goes back"),
        pytest.param(bar(60), id="it is full"),
        pytest.param(bar(3, ", avr_loss=nan"), id="nan"),
        pytest.param(bar(3, ", avr_loss=NaN"), id="NaN"),
        pytest.param(bar(3, ", avr_loss=inf"), id="inf"),
        pytest.param(bar(3, ", avr_loss=-INF"), id="INF"),
        pytest.param(bar(3, ", avr_loss=1e999"), id="beyond what a float holds"),
        pytest.param(bar(3) + b"\x1b[A", id="nested"),
        pytest.param(bar(3)[:-8], id="cut off"),
    ],
)
def test_whatever_else_a_line_holds_it_is_left_to_be_read_in_full(other: bytes) -> None:
    found = known(bar(1)).read([bar(2), other, bar(4)], 0, 1)
    assert (found.newest, found.counts, found.lines) == (2, 1, 1)


def test_nothing_after_the_last_redraw() -> None:
    assert known(bar(1)).read([bar(2)], 0, 1).lines == 1
    assert known(bar(1)).read([bar(2)], 1, 1) == (1, 1, 0, b"", 0)


@pytest.mark.parametrize("line", [bar(3) + b"\x1b[A", bar(3) + b" error", b"\x1b[1m" + bar(3), b"  3/60 [00:01]"])
def test_a_line_with_anything_beside_the_bar_teaches_no_drawing(line: bytes) -> None:
    assert drawing_of(line, Bar(STEPS, 3, 60, nested=line.endswith(b"\x1b[A"))) is None


def test_the_next_epochs_bar_is_drawn_otherwise() -> None:
    first = bar(1, name="Epoch 0: ")
    drawing = drawing_of(first, Bar(EPOCH, 1, 60, epoch=1))
    assert drawing is not None
    assert drawing.read([bar(2, name="Epoch 1: ")], 0, 1).counts == 0


# --- the same as by reading every drawing ------------------------------------------------------------------
NAMES = ["steps: ", "Epoch 0: ", "Epoch 1: ", "", "Training: ", "validation steps: ", "[default0]:steps: "]
STATS = [", avr_loss=0.5", ", avr_loss=nan", ", loss=inf, lr=1e-4", ", v_num=0, train_loss=0.1, val_loss=nan", ""]
drawn = st.builds(
    bar, st.integers(0, 12), st.sampled_from(STATS), st.sampled_from(NAMES), st.sampled_from([12, 12, 12, 5])
)
glued = st.builds(
    lambda line, text: line + text, drawn, st.sampled_from([b" ", b"Killed", b"\x1b[A", b" saving last state."])
)
words = st.sampled_from([b"epoch 2/6", b"saving checkpoint: a", b"ValueError: x", b"generating sample images"])


def steadily(name: str, stats: str) -> list[bytes]:
    return [bar(n, stats, name, 12) for n in range(12)]


runs = st.builds(steadily, st.sampled_from(NAMES), st.sampled_from(STATS))
output = st.lists(st.lists(drawn | glued | words, max_size=6) | runs, max_size=8).map(lambda parts: list(chain(*parts)))


def followed(lines: list[bytes], base_step: int | None) -> Progress:
    follower = Follower(1, 0.0, base_step=base_step)
    for line in lines:
        follower.feed(line + b"\r", 1.0)
    follower.finish(1.0)
    return follower.progress()


@settings(max_examples=200, deadline=None)
@given(lines=output, base_step=st.sampled_from([None, 3]), block=st.sampled_from([2, 5, 128]))
@example(lines=[*steadily("steps: ", ", avr_loss=0.5"), bar(3)], base_step=None, block=128)
def test_a_backlog_is_told_as_drawing_by_drawing_and_as_in_full(
    lines: list[bytes], base_step: int | None, block: int
) -> None:
    """Paint before a line changes nothing of what it says, but such a line is read in full."""
    whole = Follower(1, 0.0, base_step=base_step)
    with patch.object(redraws, "_BLOCK", block):
        whole.feed(b"".join(line + b"\r" for line in lines), 1.0)
    whole.finish(1.0)
    in_full = followed([b"\x1b[0m" + line for line in lines], base_step)
    assert whole.progress() == followed(lines, base_step)
    assert whole.progress() == msgspec.structs.replace(in_full, position=whole.progress().position)


def test_painted_lines_are_really_read_in_full() -> None:
    lines = steadily("steps: ", "")
    assert followed(lines, None).phase is followed([b"\x1b[0m" + line for line in lines], None).phase is Phase.TRAINING
    assert known(lines[0]).read([b"\x1b[0m" + lines[1]], 0, 0).counts == 0
