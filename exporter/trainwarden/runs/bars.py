"""Progress bars → counts: tqdm as kohya, Hugging Face and Lightning draw it, and two relatives that are not tqdm.

The rate that a bar shows is not read. kohya's is the average over the process's whole life, which hides a slowdown
and a hang (measured: a stop of 30 s barely moved it), so steps are timed as they appear.
"""

import re
from typing import NamedTuple

STEPS = "steps"
"""The name of kohya's bar (and, with a capital letter, of diffusers' scripts)."""
EPOCH = "Epoch"
"""The name of Lightning's bar, which counts the batches of one epoch."""
UNNAMED = ""
"""Hugging Face's ``Trainer`` and a plain ``tqdm(loader)``."""

_TRUST = {UNNAMED: 0, EPOCH: 1, STEPS: 2}
"""The bars that may count a training's steps, the surest last."""

_HEAD = 1024
"""Characters of a line in which a bar is looked for: more than a terminal is wide."""

_NUMBER = r"[-+]?(?:nan|inf|\d{1,20}(?:\.\d{0,20})?(?:e[-+]?\d{1,3})?)"

# `steps:  33%|███▎      | 20/60 [00:07<00:15,  2.51it/s, avr_loss=1.08]`; Colab draws no bar between % and n.
# In a narrow terminal tqdm cuts the line off, so the last bracket may be missing.
_TQDM = re.compile(
    r"\s*(?:(?P<name>[^|%\[\]]{1,80}?):\s+)?\d{1,3}%(?:\|[^|]{0,800}\|)?\s+"
    r"(?P<n>\d{1,12})/(?P<total>\d{1,12}) \[(?P<tail>[^\]]{0,400})(?P<closed>\]?)"
)
# `Epoch 0/1  ━━━━━━╺━━━━━ 8/16 0:00:00 • 0:00:01 854.24it/s train_loss: 0.066` (Lightning with rich)
_RICH = re.compile(
    r"\s*(?P<name>Epoch \d{1,6}/\d{1,6})\s+[━╸╺ ]{1,400}"
    r"(?P<n>\d{1,12})/(?P<total>\d{1,12}) (?=\d+:\d\d)(?P<tail>.{0,400})"
)
# `[Train] Epoch: [2][317/4100]  Loss:0.341 (Avg 0.5512)` (many plain PyTorch scripts)
_BRACKETS = re.compile(
    r".{0,40}?(?P<name>Epoch): ?\[\d{1,6}\]\[\s*(?P<n>\d{1,12})/(?P<total>\d{1,12})\](?P<tail>.{0,400})"
)
_EPOCH_NAME = re.compile(r"Epoch (?P<epoch>\d{1,6})(?:/\d{1,6})?")
_BAR_LOSS = re.compile(rf"(?<!\w)(?:avr_loss|train_loss|loss)\s?[=:]\s?(?P<loss>{_NUMBER})", re.IGNORECASE)
# `{'loss': '4.328', 'grad_norm': '1.655', …}`: strings in transformers 5, floats before
_LOSS_LINE = re.compile(rf"\s*\{{'loss': '?(?P<loss>{_NUMBER})'?[,}}]", re.IGNORECASE)


class Bar(NamedTuple):
    """One drawing of a progress bar."""

    name: str
    n: int
    total: int
    loss: float | None = None
    """NaN and infinity as they are printed."""
    epoch: int | None = None
    """From 1, where the bar's name tells it."""


def read_bar(text: str) -> tuple[Bar | None, str]:
    """The bar that ``text`` begins with, and what follows it (error text is often glued to a bar)."""
    head = text[:_HEAD]
    match = _TQDM.match(head) or _RICH.match(head) or _BRACKETS.match(head)
    if match is None:
        return None, text
    name, epoch = _canonical(match["name"] or UNNAMED)
    cut_off = match.groupdict().get("closed") == ""
    # What a number would have gone on to say, and where the bar ends, cannot be told of a line that was cut off.
    tail = match["tail"].rpartition(",")[0] if cut_off else match["tail"]
    bar = Bar(name, int(match["n"]), int(match["total"]), _loss(_BAR_LOSS.search(tail)), epoch)
    return bar, text[match.end("total") if cut_off else match.end() :]


def read_loss(text: str) -> float | None:
    """The loss in a line of its own that Hugging Face's ``Trainer`` prints; None for any other line."""
    return _loss(_LOSS_LINE.match(text[:_HEAD]))


def counts_steps(bar: Bar, counter: str | None, total: int | None) -> bool:
    """Whether ``bar`` counts the training's steps, and is no nested bar (caching, validation, writing shards).

    ``counter`` and ``total`` are the name and total of the bar that counted so far; a surer one replaces it. Bars
    without a name are told apart by their total.
    """
    if bar.name not in _TRUST or bar.n > bar.total:
        return False
    if counter == UNNAMED == bar.name:
        return bar.total == total
    return _TRUST[bar.name] >= _TRUST.get(counter or UNNAMED, 0)


def _canonical(name: str) -> tuple[str, int | None]:
    if name.lower() == STEPS:
        return STEPS, None
    match = _EPOCH_NAME.fullmatch(name)
    return (EPOCH, int(match["epoch"]) + 1) if match else (name, None)


def _loss(match: re.Match[str] | None) -> float | None:
    return float(match["loss"]) if match else None
