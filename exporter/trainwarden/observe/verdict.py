"""How a training ended whose exit status nobody could reap: as far as its files and its last words tell."""

import re
from pathlib import Path

from trainwarden.checkpoints.base import Recipe
from trainwarden.checkpoints.catalog import Catalog
from trainwarden.deadline import Deadline
from trainwarden.model import Ended, Outcome, Progress, RunSpec, Verdict
from trainwarden.runs.ending import classify
from trainwarden.runs.lines import clean

_SECONDS = 10.0
"""For the checkpoint folder's answer: a dead network drive gives none."""
_CLOCKS = 2.0
"""Seconds by which a network drive's clock may lag."""
_END_WITH_A_CHECKPOINT = frozenset({"kohya"})
"""Recipes whose trainers write one last checkpoint and then exit: where it is not whole, they did not get so far."""
_INTERRUPTED = re.compile(r"^KeyboardInterrupt\b", re.MULTILINE)
DETACHED = "The watch was ended by the user; the training goes on, unseen."


def judge(
    spec: RunSpec, recipe: Recipe, progress: Progress | None, *, named: int | None, end: bytes, began: float, at: float
) -> Ended:
    """Finished only where the last checkpoint is whole (or the last step was reached, where no such is written).

    ``end`` is the end of the output, ``named`` the signal that a launcher names there; ``began`` and ``at`` are when
    the training began and was gone, Unix seconds.
    """
    if final := final_checkpoint(spec, recipe, began):
        return Ended(Outcome.FINISHED, at, reason=f"Its last checkpoint is whole: {final}.")
    if _INTERRUPTED.search(clean(end)):
        return Ended(Outcome.STOPPED_BY_USER, at, reason="KeyboardInterrupt, says its output: stopped by hand.")
    if named is None and _reached_its_end(spec, progress):
        return Ended(Outcome.FINISHED, at, reason="It took its last step; the exit status is unknown.")
    return classify(exit_code=None, signal=None, at=at, named_signal=named)


def final_checkpoint(spec: RunSpec, recipe: Recipe, began: float) -> str | None:
    """The path of a whole checkpoint that the trainer wrote at its end, since ``began``; None where there is none."""
    if spec.checkpoints is None:
        return None
    deadline: Deadline[str | None] = Deadline(f"the checkpoint folder {spec.checkpoints}", _SECONDS)
    try:
        return deadline.run(lambda: _final(spec, recipe, began))
    except Exception:  # it cannot be read, for whatever reason: nothing is claimed, and the end is told
        return None


def _final(spec: RunSpec, recipe: Recipe, began: float) -> str | None:
    # Settled by definition: nobody lives that could still write it. Only weights come last of all (kohya).
    listed = Catalog(recipe, Path(spec.checkpoints or ""), spec.output_name, 0.0).list(began)
    whole = (c for c in listed if c.final and c.verdict is Verdict.VALID and c.modified_at >= began - _CLOCKS)
    return next((c.path for c in whole if Path(c.path).is_file()), None)


def _reached_its_end(spec: RunSpec, progress: Progress | None) -> bool:
    if spec.recipe in _END_WITH_A_CHECKPOINT or progress is None or progress.last_error:
        return False
    return progress.step is not None and progress.max_steps is not None and progress.step >= progress.max_steps
