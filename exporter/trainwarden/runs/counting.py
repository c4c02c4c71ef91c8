"""Where a run stands, from a bar that restarts at 0 with every launch. Pure functions.

A run's step is the checkpoint's step plus the trainer's own count. kohya's bar begins at 0 after a resume while its
total stays that of the whole run, so a run that resumed after 2 of 6 epochs of 10 steps ends at ``40/60``, step 60.
"""

from math import ceil

from msgspec import structs

from trainwarden.model import Progress
from trainwarden.runs.bars import EPOCH, STEPS, Bar
from trainwarden.runs.events import Header


def steps_per_epoch(progress: Progress) -> int | None:
    """Optimisation steps of one epoch, as kohya computes them; None before its header said enough."""
    total, epochs = progress.max_steps, progress.max_epochs
    if total and epochs and total % epochs == 0:
        return total // epochs
    # max_train_steps is no multiple of an epoch: the last one is cut short.
    batches, accumulation = progress.batches_per_epoch, progress.accumulation
    return ceil(batches / accumulation) if batches and accumulation else None


def first_step(progress: Progress, resumed_epochs: int | None, base_step: int | None) -> int | None:
    """The run's step when this generation's count was 0; None while it cannot be told."""
    if base_step is not None or not resumed_epochs:
        return base_step or 0
    per_epoch = steps_per_epoch(progress)
    return None if per_epoch is None else resumed_epochs * per_epoch


def note_header(progress: Progress, header: Header) -> Progress:
    """Take over what a line of the header says."""
    return structs.replace(progress, **{name: said for name, said in header._asdict().items() if said is not None})


def place(progress: Progress, first: int | None) -> Progress:
    """Tell the step as soon as it can be told: the header may come after the bar."""
    if progress.step is not None or progress.count is None or first is None:
        return progress
    return structs.replace(progress, step=first + progress.count)


def begin_count(progress: Progress, counter: str) -> Progress:
    """The bar ``counter`` counts the steps from now on, instead of a less sure one if there was one."""
    return structs.replace(
        progress,
        counter=counter,
        count=None,
        step=None,
        max_steps=progress.max_steps if progress.counter is None else None,
        steps_done=0,
        last_step_at=None,
    )


def draw(progress: Progress, bar: Bar, first: int | None) -> tuple[Progress, int]:
    """The counting bar was drawn: where the run stands now, and how many steps are new. A redraw brings none."""
    new = _new_steps(progress.count, bar.n)
    drawn = structs.replace(
        progress,
        count=bar.n,
        step=_step(progress, bar, new, first),
        steps_done=progress.steps_done + new,
        max_steps=bar.total if progress.max_steps is None and bar.name != EPOCH else progress.max_steps,
        epoch=bar.epoch or progress.epoch,
    )
    return drawn, new


def _step(progress: Progress, bar: Bar, new: int, first: int | None) -> int | None:
    if progress.step is None or progress.count is None:
        return None if first is None else first + bar.n
    if bar.name == STEPS:
        return progress.step + bar.n - progress.count
    return progress.step + new


def _new_steps(count: int | None, n: int) -> int:
    if count is None:
        return 0
    # Less than before: the count began anew (the next epoch's bar, or a launcher that restarted its workers).
    return n - count if n >= count else n
