"""A line of a training's output → what it says: kohya's words as sd-scripts 48d368fa prints them, and others'."""

import re
from typing import NamedTuple

from trainwarden.runs.bars import Bar, read_bar, read_loss, read_rank
from trainwarden.runs.faults import Fault, read_fault

_HEAD = 1024
"""Characters of a line in which a trainer's words are looked for."""


class Header(NamedTuple):
    """One line of what kohya says before it trains; the other fields are None. Named as in ``model.Progress``."""

    max_steps: int | None = None
    """Optimisation steps of the whole run, a resumed one too."""
    max_epochs: int | None = None
    batches_per_epoch: int | None = None
    accumulation: int | None = None


class EpochStarted(NamedTuple):
    """``epoch 3/6``."""

    number: int
    of: int


class Loss(NamedTuple):
    """A loss in a line of its own, without a step."""

    value: float


class Saving(NamedTuple):
    """A checkpoint begins to be written; one save prints several such lines."""


class Caching(NamedTuple):
    """Latents or text encoder outputs are computed before the training."""


class Evaluating(NamedTuple):
    """Sample images are drawn between steps."""


class Speaks(NamedTuple):
    """A line that only one framework prints."""

    framework: str
    """Named as in ``model.Progress``."""


Event = Bar | Header | EpochStarted | Loss | Saving | Caching | Evaluating | Speaks | Fault

KOHYA, HF, LIGHTNING, TORCH = "kohya", "hf", "lightning", "torch"
"""Frameworks; ``TORCH`` is any other training whose bar is known."""

_HEADER_FIELDS = {
    "total optimization steps": "max_steps",
    "num epochs": "max_epochs",
    "num batches per epoch": "batches_per_epoch",
    "gradient accumulation steps": "accumulation",
}
# `  num epochs / epoch数: 6`, `  gradient accumulation steps / 勾配を合計するステップ数 = 2`
_HEADER = re.compile(rf"\s*(?P<words>{'|'.join(_HEADER_FIELDS)}) / .{{0,200}}[:=] (?P<value>\d{{1,12}})\s*")
_EPOCH = re.compile(r"\s*epoch (\d{1,6})/(\d{1,6})\s*")
_SAVING = re.compile(
    r"\bsaving (?:checkpoint: |state at (?:epoch|step) |last state)|\bSaving (?:current state|model checkpoint) to "
)
_CACHING = re.compile(r"\b[Cc]aching (?:latents|[Tt]ext [Ee]ncoder)|\bchecking cache validity")
_EVALUATING = re.compile(r"\bgenerating sample images\b")
# With rich, each logged line ends in the name of the source file; with --console_log_simple it does not.
_KOHYA = re.compile(
    r"\b(?:train_util|train_network|config_util)\.py:\d|\bUsing DreamBooth method\b"
    r"|^(?:prepare images|loading image sizes)\."
)

# `{'loss': '4.328', …}`, and what is printed when an evaluation or the whole training is over
_HF = re.compile(
    r"^\s*\{'(?:loss|eval_\w{1,40}|train_runtime)': |\*{5} Running (?:training|Evaluation) \*{5}|\[INFO\|trainer\.py:"
)
_LIGHTNING = re.compile(
    r"^\s*[GT]PU available: |\bLOCAL_RANK: \d{1,6} - CUDA_VISIBLE_DEVICES\b|`Trainer\.fit` stopped: "
    r"|^\s*Restor(?:ing|ed all) states from the checkpoint "
)

_WORDS: tuple[tuple[re.Pattern[str], Event], ...] = (
    (_KOHYA, Speaks(KOHYA)),
    (_HF, Speaks(HF)),
    (_LIGHTNING, Speaks(LIGHTNING)),
    (_SAVING, Saving()),
    (_CACHING, Caching()),
    (_EVALUATING, Evaluating()),
)


_HINTS = (
    *("aving ", "aching ", "checking cache", ".py:", "DreamBooth", "generating ", "prepare images", "loading image"),
    *("{'", "***** Running", "PU available", "LOCAL_RANK", "`Trainer.fit`", "Restor"),
)
"""Every such line holds one of these; most lines hold none, and need no pattern."""


def read_line(line: str) -> list[Event]:
    """Everything that one line says, in its order; nothing for most lines."""
    rank, text = read_rank(line)
    bar, rest = read_bar(text)
    events: list[Event] = [bar if rank is None else bar._replace(rank=rank)] if bar else []
    if rest and not rest.isspace():
        events += _read_words(rest)
    return events


def _read_words(text: str) -> list[Event]:
    head = text[:_HEAD]
    if header := _HEADER.fullmatch(head):
        return [Speaks(KOHYA), Header(**{_HEADER_FIELDS[header["words"]]: int(header["value"])})]
    if epoch := _EPOCH.fullmatch(head):
        return [EpochStarted(int(epoch[1]), int(epoch[2]))]
    hinted = any(hint in head for hint in _HINTS)
    events = [event for pattern, event in _WORDS if pattern.search(head)] if hinted else []
    if (loss := read_loss(head)) is not None:
        return [*events, Loss(loss)]
    fault = read_fault(text)
    return [*events, fault] if fault else events
