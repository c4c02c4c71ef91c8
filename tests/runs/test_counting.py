"""A run's step, from a bar that restarts at 0 with every launch."""

import pytest

from trainwarden.model import Phase, Progress
from trainwarden.runs.bars import EPOCH, STEPS, UNNAMED, Bar
from trainwarden.runs.counting import begin_count, draw, first_step, note_header, place, steps_per_epoch
from trainwarden.runs.events import Header


def known(**header: int) -> Progress:
    return note_header(counted("", None, None), Header(**header))


def counted(counter: str, count: int | None, step: int | None) -> Progress:
    return Progress(
        writer="output",
        generation=2,
        phase=Phase.TRAINING,
        phase_since=0.0,
        beat_at=0.0,
        counter=counter,
        count=count,
        step=step,
        steps_done=count or 0,
    )


@pytest.mark.parametrize(
    ("progress", "steps"),
    [
        (known(max_steps=60, max_epochs=6, batches_per_epoch=20, accumulation=2), 10),
        (known(max_steps=60, max_epochs=6), 10),
        (known(max_steps=55, max_epochs=6, batches_per_epoch=20, accumulation=2), 10),
        (known(max_steps=20, max_epochs=3, batches_per_epoch=15, accumulation=2), 8),
        (known(max_steps=55, max_epochs=6), None),
        (known(max_steps=60), None),
        (known(max_steps=60, max_epochs=0), None),
        (known(batches_per_epoch=20, accumulation=0), None),
        (known(), None),
    ],
)
def test_steps_of_an_epoch(progress: Progress, steps: int | None) -> None:
    assert steps_per_epoch(progress) == steps


@pytest.mark.parametrize(
    ("resumed_epochs", "base_step", "first"),
    [(None, None, 0), (0, None, 0), (2, None, 20), (2, 25, 25), (None, 25, 25)],
)
def test_the_step_at_which_a_generation_begins(resumed_epochs: int | None, base_step: int | None, first: int) -> None:
    assert first_step(known(max_steps=60, max_epochs=6), resumed_epochs, base_step) == first


def test_without_a_header_a_resumed_generation_tells_no_step_rather_than_a_wrong_one() -> None:
    assert first_step(known(), 2, None) is None


def test_what_the_header_says_is_added_line_by_line() -> None:
    progress = note_header(note_header(known(), Header(max_steps=60)), Header(max_epochs=6))
    assert (progress.max_steps, progress.max_epochs, progress.batches_per_epoch) == (60, 6, None)


@pytest.mark.parametrize(
    ("before", "first", "step"),
    [
        pytest.param(counted(STEPS, 3, None), 20, 23, id="known now"),
        pytest.param(counted(STEPS, 3, None), None, None, id="not yet known"),
        pytest.param(counted(STEPS, None, None), 20, None, id="no bar yet"),
        pytest.param(counted(STEPS, 3, 28), 20, 28, id="known before"),
    ],
)
def test_a_step_is_told_as_soon_as_it_can_be(before: Progress, first: int | None, step: int | None) -> None:
    assert place(before, first).step == step


@pytest.mark.parametrize(
    ("before", "bar", "first", "step", "new"),
    [
        pytest.param(counted(STEPS, None, None), Bar(STEPS, 0, 60), 20, 20, 0, id="first drawing"),
        pytest.param(counted(STEPS, 0, 20), Bar(STEPS, 1, 60), 20, 21, 1, id="a step"),
        pytest.param(counted(STEPS, 1, 21), Bar(STEPS, 1, 60), 20, 21, 0, id="a redraw"),
        pytest.param(counted(STEPS, 1, 21), Bar(STEPS, 9, 60), 20, 29, 8, id="steps too fast to be drawn"),
        pytest.param(counted(STEPS, 1, None), Bar(STEPS, 2, 60), None, None, 1, id="header missing"),
        pytest.param(counted(STEPS, 9, 29), Bar(STEPS, 2, 60), 20, 22, 2, id="workers restarted by the launcher"),
        pytest.param(counted(EPOCH, 16, 16), Bar(EPOCH, 1, 16, epoch=2), 0, 17, 1, id="next epoch's bar"),
    ],
)
def test_a_drawing_moves_the_run(before: Progress, bar: Bar, first: int | None, step: int | None, new: int) -> None:
    after, found = draw(before, bar, first)
    assert (after.step, after.count, after.steps_done, found) == (step, bar.n, before.steps_done + new, new)


def test_the_bar_of_one_epoch_does_not_tell_the_steps_of_the_run() -> None:
    assert draw(counted(EPOCH, None, None), Bar(EPOCH, 0, 16), 0)[0].max_steps is None
    assert draw(counted(STEPS, None, None), Bar(STEPS, 0, 60), 0)[0].max_steps == 60


def test_a_surer_bar_begins_the_count_anew() -> None:
    before, _ = draw(counted(UNNAMED, 3, 3), Bar(UNNAMED, 4, 10), 0)
    after = begin_count(before, STEPS)
    assert (after.counter, after.count, after.step, after.steps_done, after.max_steps) == (STEPS, None, None, 0, None)
