"""Where a run stands, from a bar that restarts at 0 with every launch. Pure functions.

A run's step is the checkpoint's step plus the trainer's own count. kohya's bar begins at 0 after a resume while its
total stays that of the whole run, so a run that resumed after 2 of 6 epochs of 10 steps ends at ``40/60``, step 60.
"""

from math import ceil

from msgspec import structs

from trainwarden.model import Progress
from trainwarden.runs.bars import EPOCH, STEPS, Bar
from trainwarden.runs.events import Header


def merge(known: Header, said: Header) -> Header:
    """``known`` with what one more line said."""
    return Header(*(old if new is None else new for old, new in zip(known, said, strict=True)))


def steps_per_epoch(header: Header) -> int | None:
    """Optimisation steps of one epoch, as kohya computes them; None before its header said enough."""
    total, epochs, batches, accumulation = header
    if total and epochs and total % epochs == 0:
        return total // epochs
    # max_train_steps is no multiple of an epoch: the last one is cut short.
    return ceil(batches / accumulation) if batches and accumulation else None


def first_step(header: Header, resumed_epochs: int | None, base_step: int | None) -> int | None:
    """The run's step when this generation's count was 0; None while it cannot be told."""
    if base_step is not None or not resumed_epochs:
        return base_step or 0
    per_epoch = steps_per_epoch(header)
    return None if per_epoch is None else resumed_epochs * per_epoch


def place(progress: Progress, header: Header, first: int | None) -> Progress:
    """Take over what the header says; a step that could not be told is told as soon as it can be."""
    step = progress.step
    if step is None and first is not None and progress.count is not None:
        step = first + progress.count
    return structs.replace(
        progress,
        step=step,
        max_steps=progress.max_steps if header.total_steps is None else header.total_steps,
        max_epochs=progress.max_epochs if header.epochs is None else header.epochs,
    )


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
