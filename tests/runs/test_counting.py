"""A run's step, from a bar that restarts at 0 with every launch, or with every epoch."""

import msgspec
import pytest

from trainwarden.model import Phase, Progress
from trainwarden.runs.bars import EPOCH, STEPS, TRAIN, UNNAMED, Bar
from trainwarden.runs.counting import Counting
from trainwarden.runs.events import Header

NOTHING = Progress(writer="output", generation=2, phase=Phase.TRAINING, phase_since=0.0, beat_at=0.0)


def counting(resumed_epochs: int | None = None, base_step: int | None = None, **header: int) -> Counting:
    found = Counting(NOTHING, resumed_epochs, base_step)
    found.note(Header(**header))
    return found


def draw(found: Counting, name: str, *counts: int, total: int = 60, epoch: int | None = None) -> Counting:
    if found.counter != name:
        found.begin(name)
    for n in counts:
        found.draw(Bar(name, n, total, epoch=epoch))
    return found


def stands(found: Counting) -> tuple[int | None, int]:
    return found.step, found.steps_done


# --- what the header tells --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "steps"),
    [
        ({"max_steps": 60, "max_epochs": 6, "batches_per_epoch": 20, "accumulation": 2}, 10),
        ({"max_steps": 60, "max_epochs": 6}, 10),
        ({"max_steps": 55, "max_epochs": 6, "batches_per_epoch": 20, "accumulation": 2}, 10),
        ({"max_steps": 20, "max_epochs": 3, "batches_per_epoch": 15, "accumulation": 2}, 8),
        ({"max_steps": 55, "max_epochs": 6}, None),
        ({"max_steps": 60}, None),
        ({"max_steps": 60, "max_epochs": 0}, None),
        ({"batches_per_epoch": 20, "accumulation": 0}, None),
        ({}, None),
    ],
)
def test_steps_of_an_epoch(header: dict[str, int], steps: int | None) -> None:
    assert counting(**header).steps_per_epoch == steps


@pytest.mark.parametrize(
    ("resumed_epochs", "base_step", "first"),
    [(None, None, 0), (0, None, 0), (2, None, 20), (2, 25, 25), (None, 25, 25)],
)
def test_the_step_at_which_a_generation_begins(resumed_epochs: int | None, base_step: int | None, first: int) -> None:
    assert draw(counting(resumed_epochs, base_step, max_steps=60, max_epochs=6), STEPS, 0).step == first


def test_before_the_first_drawing_there_is_no_step() -> None:
    assert stands(counting(max_steps=60)) == (None, 0)


def test_without_a_header_a_resumed_generation_tells_no_step_rather_than_a_wrong_one() -> None:
    found = draw(counting(2), STEPS, 0, 3)
    assert stands(found) == (None, 3)
    found.note(Header(max_steps=60))
    found.note(Header(max_epochs=6))
    assert stands(found) == (23, 3)


# --- kohya's bar: the whole run, from 0 with every launch --------------------------------------------------
@pytest.mark.parametrize(
    ("counts", "step", "done"),
    [
        pytest.param([0], 20, 0, id="first drawing"),
        pytest.param([0, 1], 21, 1, id="a step"),
        pytest.param([0, 1, 1], 21, 1, id="a redraw"),
        pytest.param([0, 1, 9], 29, 9, id="steps too fast to be drawn"),
        pytest.param([0, 9, 0, 2], 22, 11, id="workers restarted by the launcher"),
        pytest.param([0, 9, 8, 9, 8, 9, 10], 30, 10, id="two ranks drawn one over the other"),
        pytest.param([5, 6], 26, 1, id="seen from its middle on"),
    ],
)
def test_a_drawing_moves_the_run(counts: list[int], step: int, done: int) -> None:
    assert stands(draw(counting(base_step=20), STEPS, *counts)) == (step, done)


# --- Hugging Face's bar: the whole run, and it jumps over the checkpoint's steps ---------------------------
@pytest.mark.parametrize(
    ("counts", "step", "done"),
    [
        pytest.param([0, 21, 22], 22, 2, id="jumps over the checkpoint"),
        pytest.param([0, 25], 25, 5, id="and over the first steps, too fast to be drawn"),
        pytest.param([21, 22], 22, 1, id="seen from its middle on"),
        pytest.param([0, 1, 2, 21], 41, 21, id="a plain script's, which counts from 0"),
    ],
)
def test_a_bar_without_a_name_after_a_resume(counts: list[int], step: int, done: int) -> None:
    assert stands(draw(counting(base_step=20), UNNAMED, *counts, total=45)) == (step, done)


# --- bars of one epoch -------------------------------------------------------------------------------------
def test_lightnings_bar_counts_on_over_the_epochs() -> None:
    found = draw(counting(), EPOCH, 0, 8, 16, total=16, epoch=1)
    assert (found.full, found.max_steps, found.batches_per_epoch) == (True, None, 16)
    draw(found, EPOCH, 0, 8, total=16, epoch=2)
    assert (stands(found), found.epoch, found.full) == ((24, 24), 2, False)


def test_the_number_of_epochs_tells_the_steps_of_the_run() -> None:
    found = counting()
    found.begin(EPOCH)
    found.draw(Bar(EPOCH, 0, 16, epoch=1, max_epochs=3))
    assert (found.max_steps, found.max_epochs) == (48, 3)


def test_lightning_resumed_from_nobody_knows_where_is_placed_by_its_epoch() -> None:
    assert stands(draw(counting(), EPOCH, 0, 5, total=16, epoch=3)) == (37, 5)
    assert stands(draw(counting(base_step=100), EPOCH, 0, 5, total=16, epoch=3)) == (105, 5)


def test_an_epoch_that_was_broken_off_and_one_that_begins_anew_count_what_was_done() -> None:
    found = draw(counting(), EPOCH, 0, 10, total=16, epoch=1)
    assert stands(draw(found, EPOCH, 4, total=16, epoch=2)) == (14, 14)
    assert stands(draw(found, EPOCH, 0, 3, total=16, epoch=1)) == (17, 17)


@pytest.mark.parametrize("name", [UNNAMED, TRAIN])
def test_a_bar_that_begins_anew_when_it_was_full_counts_an_epoch(name: str) -> None:
    found = draw(counting(), name, 0, 5, 10, total=10)
    assert (found.max_steps, found.full) == (10, True)
    draw(found, name, 0, 5, total=10)
    assert (stands(found), found.max_steps, found.batches_per_epoch) == ((15, 15), None, 10)


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_epochs_are_counted(total: int) -> None:
    counts = list(range(total + 1)) * 3
    assert stands(draw(counting(), UNNAMED, *counts, total=total)) == (3 * total, 3 * total)


# --- several ranks draw the same bar -----------------------------------------------------------------------
@pytest.mark.parametrize("ranks", [2, 8])
def test_the_bar_of_a_run_that_every_rank_draws_counts_once(ranks: int) -> None:
    counts = [n for n in range(51) for _ in range(ranks)]
    late = [max(0, n - (rank % 3 == 2)) for rank, n in enumerate(counts)]
    assert stands(draw(counting(), UNNAMED, *late, total=60)) == (50, 50)


def test_ranks_at_the_end_of_an_epoch_whose_next_has_begun_elsewhere_are_no_steps() -> None:
    found = draw(counting(), TRAIN, *range(11), 10, total=10)
    draw(found, TRAIN, 0, 10, 0, 10, 0, 1, 10, 1, 1, 2, total=10)
    assert stands(found) == (12, 12)


def test_a_rank_that_is_still_in_the_epoch_before_is_no_step_and_no_new_epoch() -> None:
    found = draw(counting(), EPOCH, *range(11), total=10, epoch=1)
    draw(found, EPOCH, 0, total=10, epoch=2)
    draw(found, EPOCH, 9, 10, total=10, epoch=1)
    assert (stands(draw(found, EPOCH, 1, total=10, epoch=2)), found.epoch) == ((11, 11), 2)


def test_epochs_that_are_only_ever_drawn_when_they_are_full_are_counted() -> None:
    assert stands(draw(counting(), TRAIN, 0, 10, 0, 10, 0, 10, total=10)) == (30, 30)


# --- from one follower, and one bar, to the next -----------------------------------------------------------
def test_a_surer_bar_begins_the_count_anew() -> None:
    found = draw(draw(counting(), UNNAMED, 0, 4, total=10), STEPS, 0)
    assert (found.counter, found.count, found.max_steps, stands(found)) == (STEPS, 0, 60, (0, 0))


@pytest.mark.parametrize(
    ("name", "base_step", "counts", "total"),
    [(STEPS, 20, [0, 3, 5], 60), (UNNAMED, 20, [0, 21, 25], 45), (EPOCH, None, [0, 7], 16), (TRAIN, None, [0, 9], 9)],
)
def test_a_second_follower_goes_on_where_the_first_was(
    name: str, base_step: int | None, counts: list[int], total: int
) -> None:
    first = draw(counting(base_step=base_step), name, *counts, total=total, epoch=3 if name == EPOCH else None)
    stored = msgspec.structs.replace(NOTHING, **first.fields())
    second = Counting(stored, base_step=base_step)
    assert (second.fields(), second.total, second.full) == (first.fields(), first.total, first.full)
    last = Bar(name, counts[-1] + 1, total + 1, epoch=3 if name == EPOCH else None)
    assert (second.draw(last), second.step) == (first.draw(last), first.step)
