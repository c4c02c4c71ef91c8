"""A bar over the epochs and one over the batches below it, as tqdm draws them: the lower one counts the steps."""

import pytest

from trainwarden.model import Phase, Progress
from trainwarden.runs.follow import Follower

BATCHES = 4


def upper(n: int, total: int = 3, name: str = "") -> str:
    return f"\r{name}  10%|█         | {n}/{total} [00:01<00:10,  1.00s/it]"


def lower(n: int, total: int = BATCHES, name: str = "") -> str:
    return f"\n\r{name}  10%|█         | {n}/{total} [00:01<00:10,  1.00s/it]\x1b[A"


def epoch(number: int, *after: str, name: str = "", batch: str = "") -> list[str]:
    """An epoch's batches, what comes after them, and the bar over the epochs moves on."""
    return [*(lower(n, name=batch) for n in range(BATCHES + 1)), *after, upper(number, name=name)]


def said(*pieces: str, follower: Follower | None = None, at: int = 0) -> Progress:
    """Feed one piece a second."""
    follower = follower or Follower(1, 0.0)
    for second, piece in enumerate(pieces, start=at + 1):
        follower.feed(piece.encode(), float(second))
    return follower.progress()


@pytest.mark.parametrize("name", ["", "Epochs:", "Epoch:"])
def test_the_batches_of_a_plain_loop_are_the_steps(name: str) -> None:
    begun = said(upper(0, name=name), *epoch(1, name=name), lower(0), lower(1))
    assert (begun.phase, begun.step, begun.epoch, begun.max_epochs) == (Phase.TRAINING, 5, 2, 3)
    ended = said(upper(0, name=name), *(piece for number in (1, 2, 3) for piece in epoch(number, name=name)))
    assert (ended.phase, ended.step, ended.max_steps, ended.steps_done) == (Phase.EVALUATING, 12, 12, 12)
    assert (ended.epoch, ended.max_epochs, ended.median_step_seconds) == (3, 3, 1.0)


def test_batches_that_have_a_name_are_the_steps() -> None:
    whole = [piece for number in (1, 2, 3) for piece in epoch(number, name="Epoch:", batch="Batch:")]
    assert said(upper(0, name="Epoch:"), *whole).steps_done == 12


@pytest.mark.parametrize("name", ["", "Epochs:"])
def test_a_line_that_is_cut_before_it_shows_that_it_is_nested_is_the_lower_one_all_the_same(name: str) -> None:
    pieces = [part for piece in epoch(1, name=name) for part in piece.partition("\x1b[A")]
    progress = said(upper(0, name=name), *pieces, lower(0), lower(1))
    assert (progress.step, progress.steps_done, progress.epoch, progress.max_epochs) == (5, 5, 2, 3)


def test_an_evaluation_below_is_no_step() -> None:
    progress = said(upper(0), *epoch(1, *(lower(n, total=9) for n in range(10))))
    assert (progress.phase, progress.step) == (Phase.EVALUATING, 4)


def test_the_upper_bar_drawn_again_pauses_nothing() -> None:
    assert said(upper(0), lower(0), lower(1), lower(2), upper(0)).phase is Phase.TRAINING


def test_below_a_bar_that_moves_evaluations_are_drawn() -> None:
    """Hugging Face's, whose bar counts the run."""
    progress = said(upper(0, 30), upper(1, 30), upper(2, 30), lower(0), lower(1), lower(2))
    assert (progress.phase, progress.step, progress.steps_done) == (Phase.EVALUATING, 2, 2)


def test_after_an_evaluation_before_the_first_step_the_upper_bar_counts() -> None:
    """`eval_on_start`."""
    evaluation = [lower(n) for n in range(BATCHES + 1)]
    progress = said(upper(0, 30), *evaluation, upper(1, 30), upper(2, 30), upper(3, 30), *evaluation, upper(4, 30))
    assert (progress.phase, progress.step, progress.steps_done, progress.max_steps) == (Phase.TRAINING, 4, 4, 30)
    assert (progress.epoch, progress.max_epochs) == (None, None)


def test_a_follower_that_goes_on_for_another_counts_on() -> None:
    pieces = [upper(0), *epoch(1), lower(0), lower(1)]
    further = [lower(2), lower(3), lower(4), upper(2), *epoch(3)]
    stored = said(*pieces)
    progress = said(*further, follower=Follower.resume(stored), at=len(pieces))
    assert (progress.step, progress.steps_done, progress.max_steps) == (12, 12, 12)
