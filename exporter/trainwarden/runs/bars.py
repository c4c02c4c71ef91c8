"""Progress bars → counts: tqdm as kohya, Hugging Face and Lightning draw it, and two relatives that are not tqdm.

The rate that a bar shows is not read. kohya's is the average over the process's whole life, which hides a slowdown
and a hang (measured: a stop of 30 s barely moved it), so steps are timed as they appear.
"""

import re
from typing import NamedTuple

STEPS = "steps"
"""The name of kohya's bar (and, with a capital letter, of diffusers' scripts): it counts the whole run."""
EPOCH = "Epoch"
"""Lightning's bar, and many a plain script's: it counts the batches of one epoch, which its name tells."""
TRAIN = "train"
"""A plain script's bar, of the run or of each epoch."""
UNNAMED = ""
"""Hugging Face's ``Trainer``, of the run; a plain ``tqdm(loader)``, of each epoch."""

INNER = "inner"
"""One without a name below a bar over the epochs: it counts the batches of each (see ``nesting``)."""
EPOCHS = "epochs"
"""The bar over the epochs, which counts no steps."""

_TRUST = {UNNAMED: 0, INNER: 1, TRAIN: 2, EPOCH: 3, STEPS: 4}
"""The bars that may count a training's steps, the surest last."""

_HEAD = 1024
"""Characters of a line in which a bar is looked for: more than a terminal is wide."""

_NUMBER = r"[-+]?(?:nan|inf|\d{1,20}(?:\.\d{0,20})?(?:e[-+]?\d{1,3})?)"

# `steps:  33%|███▎      | 20/60 [00:07<00:15,  2.51it/s, avr_loss=1.08]`; Colab draws no bar between % and n.
# In a narrow terminal tqdm cuts the line off, so the last bracket may be missing.
_TQDM = re.compile(
    r"(?:(?P<name>[^|%]{1,80}?):\s+)?\d{1,3}%(?:\|[^|]{0,800}\|)?\s+"
    r"(?P<n>\d{1,12})/(?P<total>\d{1,12}) \[(?P<tail>[^\]]{0,400})(?P<closed>\]?)"
)
# `Epoch 0/1  ━━━━━━╺━━━━━ 8/16 0:00:00 • 0:00:01 854.24it/s train_loss: 0.066` (Lightning with rich)
_RICH = re.compile(
    r"(?P<name>[A-Z]\w{1,30}(?: [\w/]{1,20}){0,3}) {1,4}[━╸╺][━╸╺ ]{0,400}"
    r"(?P<n>\d{1,12})/(?P<total>\d{1,12}) {1,8}(?=(?:\d+|-):(?:\d\d|-))(?P<tail>.{0,400})"
)
# `[Train] Epoch: [2][317/4100]  Loss:0.341 (Avg 0.5512)` (many plain PyTorch scripts)
_BRACKETS = re.compile(
    r".{0,40}?(?P<name>Epoch: ?\[\d{1,6}\])\[\s*(?P<n>\d{1,12})/(?P<total>\d{1,12})\](?P<tail>.{0,400})"
)
_BARS = (("%", _TQDM), ("━", _RICH), ("Epoch: ", _BRACKETS), ("Epoch:[", _BRACKETS))
"""And what stands in every such line, but hardly in any other: most lines are no bar."""
# `Epoch 1/3`, `Train Epoch [3/10]`, `[Epoch 1 of 3]`, `Epoch 1 [train]`, `Epoch 1, loss: 0.341`
_EPOCH_NAME = re.compile(
    r"\[?(?:Train(?:ing)? )?Epoch:? ?\[?(?P<epoch>\d{1,6})(?:(?:/| of )(?P<of>\d{1,6}))?\]?"
    r"(?:[ :,-]{0,3}[\[(]?train(?:ing)?[\])]?)?(?:[ :,-]{1,3}(?:avg_|train_)?loss\b.{0,40})?",
    re.IGNORECASE,
)
_TRAIN_NAME = re.compile(r"(?:train(?:ing)?|iterations?|batch(?:es)?)(?: (?:steps|progress))?", re.IGNORECASE)
_BAR_LOSS = re.compile(rf"(?<!\w)(?:avr_loss|train_loss|loss)\s?[=:]\s?(?P<loss>{_NUMBER})", re.IGNORECASE)
# `{'loss': '4.328', 'grad_norm': '1.655', …}`: strings in transformers 5, floats before
_LOSS_LINE = re.compile(rf"\s*\{{'loss': '?(?P<loss>{_NUMBER})'?[,}}]", re.IGNORECASE)
# `[default0]:` (torchrun), `[rank0]:` (PyTorch): who of several printed the line.
_RANK = re.compile(r"\s*\[[A-Za-z_]{1,40}(?P<rank>\d{1,6})\]:\s?")
_EVALUATION = re.compile(
    r"(?:epoch\W*(?:\d+\W+){0,2})?(?:val\b|valid|eval|test|sanity check|predict|sampling|generating)", re.IGNORECASE
)


class Bar(NamedTuple):
    """One drawing of a progress bar."""

    name: str
    n: int
    total: int
    loss: float | None = None
    """NaN and infinity as they are printed."""
    epoch: int | None = None
    """From 1, where the bar's name tells it."""
    max_epochs: int | None = None
    rank: int | None = None
    """Of several processes that print, the one that drew it, where the line says so."""
    nested: bool = False
    """Drawn below another bar, which goes on."""


def read_rank(text: str) -> tuple[int | None, str]:
    """The rank that a launcher put before a line, and the line without it."""
    match = _RANK.match(text)
    return (int(match["rank"]), text[match.end() :]) if match else (None, text)


def read_bar(text: str) -> tuple[Bar | None, str]:
    """The bar that ``text`` begins with, and what follows it (error text is often glued to a bar)."""
    line = text.lstrip()
    match = next((pattern.match(line[:_HEAD]) for sign, pattern in _BARS if sign in line[:_HEAD]), None)
    if match is None:
        return None, text
    name, epoch, max_epochs = _canonical(match["name"] or UNNAMED, from_zero=match.re is _RICH)
    cut_off = match.groupdict().get("closed") == ""
    # What a number would have gone on to say, and where the bar ends, cannot be told of a line that was cut off.
    tail = match["tail"].rpartition(",")[0] if cut_off else match["tail"]
    loss = find_loss(tail)
    if loss is None and name == EPOCH:
        loss = find_loss(match["name"])
    bar = Bar(name, int(match["n"]), int(match["total"]), loss, epoch, max_epochs)
    return bar, line[match.end("total") if cut_off else match.end() :]


def find_loss(tail: str) -> float | None:
    """The training's loss among what a bar says behind its count."""
    match = _BAR_LOSS.search(tail)
    return float(match["loss"]) if match else None


def read_loss(text: str) -> float | None:
    """The loss in a line of its own that Hugging Face's ``Trainer`` prints; None for any other line."""
    match = _LOSS_LINE.match(text[:_HEAD])
    return float(match["loss"]) if match else None


def counts_steps(bar: Bar, counter: str | None, total: int | None) -> bool:
    """Whether ``bar`` counts the training's steps, and is no nested bar (caching, validation, writing shards).

    ``counter`` and ``total`` are the name and total of the bar that counted so far; a surer one replaces it. Bars
    without a name are told apart by their total.
    """
    if bar.name not in _TRUST or bar.n > bar.total:
        return False
    if counter == bar.name and counter in (UNNAMED, INNER):
        return bar.total == total and not bar.nested
    return _TRUST[bar.name] >= _TRUST.get(counter or UNNAMED, 0)


def evaluates(bar: Bar) -> bool:
    """Whether its name is of those that are drawn while a training evaluates itself."""
    return _EVALUATION.match(bar.name) is not None


def _canonical(name: str, *, from_zero: bool) -> tuple[str, int | None, int | None]:
    """The bar's kind, and the epoch and the number of epochs, from 1, that its name tells.

    Lightning numbers epochs from 0, and with rich it prints the last one's number; scripts that print how many there
    are number them from 1.
    """
    if name.lower() == STEPS:
        return STEPS, None, None
    if name.lower() in (EPOCHS, "epoch"):
        return EPOCHS, None, None
    if _TRAIN_NAME.fullmatch(name):
        return TRAIN, None, None
    match = _EPOCH_NAME.fullmatch(name)
    if match is None:
        return name, None, None
    epoch, of = int(match["epoch"]), match["of"]
    if of is None or from_zero:
        return EPOCH, epoch + 1, int(of) + 1 if of else None
    return EPOCH, max(epoch, 1), int(of)
