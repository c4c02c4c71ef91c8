"""A drawing of a progress bar becomes a count, and only the right bar counts steps."""

import math

import pytest

from trainwarden.runs.bars import EPOCH, STEPS, TRAIN, UNNAMED, Bar, counts_steps, read_bar, read_loss, read_rank


@pytest.mark.parametrize(
    ("text", "bar"),
    [
        ("steps:   0%|          | 0/60 [00:00<?, ?it/s]", Bar(STEPS, 0, 60)),
        ("steps:  33%|███▎  | 20/60 [00:07<00:15, 2.51it/s, avr_loss=1.08]", Bar(STEPS, 20, 60, 1.08)),
        ("steps:  28%|██▊| 17/60 [00:07<00:18,  2.35it/s, avr_loss=1]    ", Bar(STEPS, 17, 60, 1.0)),
        ("steps:   0% 7/3900 [00:16<2:31:41,  2.34s/it, avr_loss=6.13e-5]", Bar(STEPS, 7, 3900, 6.13e-5)),
        ("steps:   2%|▏| 1/60 [00:01<00:59, 1.01s/it, loss=0.2, lr=1e-4]", Bar(STEPS, 1, 60, 0.2)),
        ("steps: 2%|▏| 1/60 [0:01<0:59, avr_loss=0.3, max mean norm=1.2]", Bar(STEPS, 1, 60, 0.3)),
        ("Steps:  10%|█  | 50/500 [01:00<09:00, 1.2s/it, lr=0.0001, loss=0.11]", Bar(STEPS, 50, 500, 0.11)),
        ("read caption: 100%|██████████| 10/10 [00:00<00:00, 26313.07it/s]", Bar("read caption", 10, 10)),
        ("Loading pipeline components...:  25%|██▌| 1/4 [00:00<00:00]", Bar("Loading pipeline components...", 1, 4)),
        ("  0%|    | 0/10 [00:00<?, ?it/s]", Bar(UNNAMED, 0, 10)),
        ("Epoch 2:  41% 611/1490 [04:51<06:59, 2.10it/s, loss=0.2]", Bar(EPOCH, 611, 1490, 0.2, 3)),
        ("Epoch 0/1  ━━━━╺━━━ 8/16 0:00:00 • 0:00:01 85.2it/s train_loss: 0.066", Bar(EPOCH, 8, 16, 0.066, 1, 2)),
        ("Epoch 0/2  ━━╺━━━━━━ 1/20 0:00:00 • -:--:-- 0.00it/s train_loss: 4.8", Bar(EPOCH, 1, 20, 4.8, 1, 3)),
        ("Validation ━━━━━━╸━━━━ 1/6   0:00:00 • -:--:-- 0.00it/s ", Bar("Validation", 1, 6)),
        ("Epoch 1/10:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar(EPOCH, 41, 100, None, 1, 10)),
        ("Train Epoch [3/10]:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar(EPOCH, 41, 100, None, 3, 10)),
        ("[Epoch 3 of 10]:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar(EPOCH, 41, 100, None, 3, 10)),
        ("Epoch 3/10 [Train]:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar(EPOCH, 41, 100, None, 3, 10)),
        ("Epoch 3/10, loss: 0.341:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar(EPOCH, 41, 100, 0.341, 3, 10)),
        ("Epoch 3/10 [Val]:  41%|████ | 41/100 [04:51<06:59, 2.10it/s]", Bar("Epoch 3/10 [Val]", 41, 100)),
        ("   [Train] Epoch: [2][317/4100]  Loss:0.341 (Avg 0.5512)", Bar(EPOCH, 317, 4100, 0.341, 3)),
        ("Training:  10%|█  | 50/500 [01:00<09:00, 1.2s/it]", Bar(TRAIN, 50, 500)),
        ("train steps:  10%|█  | 50/500 [01:00<09:00, 1.2s/it]", Bar(TRAIN, 50, 500)),
        ("Training set:  10%|█  | 50/500 [01:00<09:00, 1.2s/it]", Bar("Training set", 50, 500)),
    ],
)
def test_a_bar_is_read(text: str, bar: Bar) -> None:
    assert read_bar(text)[0] == bar


@pytest.mark.parametrize(
    "text",
    [
        "",
        "steps:  33%|███▎      | 20/6",
        "set image size from cache files: 0/10",
        "saved 100% of 10/10 images [done]",
        "steps: 1%| | 1234567890123/60 [00:00<?]",
    ],
)
def test_what_is_no_whole_bar_is_none(text: str) -> None:
    assert read_bar(text) == (None, text)


def test_what_is_glued_to_a_bar_is_handed_on() -> None:
    _, rest = read_bar("steps: 100%|██| 60/60 [00:16<00:00, 3.53it/s, avr_loss=1.02]Traceback (most recent call last):")
    assert rest == "Traceback (most recent call last):"


@pytest.mark.parametrize(
    ("end", "loss"),
    [("", None), ("00:07<00:1", None), ("00:07, avr_loss=1.0", None), ("00:07, avr_loss=1.08, a=", 1.08)],
)
def test_a_bar_cut_off_by_a_narrow_terminal_still_counts(end: str, loss: float | None) -> None:
    assert read_bar(f"steps:  33%|▎| 20/60 [{end}")[0] == Bar(STEPS, 20, 60, loss)


def test_what_is_glued_to_a_bar_that_was_cut_off_is_handed_on() -> None:
    _, rest = read_bar("steps:  33%|▎| 20/60 [00:07<00RuntimeError: CUDA error: unknown error")
    assert "CUDA error: unknown error" in rest


@pytest.mark.parametrize("loss", ["nan", "NaN", "inf", "-inf"])
def test_a_loss_that_is_no_number_is_handed_on_as_it_is(loss: str) -> None:
    bar, _ = read_bar(f"steps:   2%|█ | 58/2900 [01:09<56:50, 1.20s/it, avr_loss={loss}]")
    assert bar is not None
    assert bar.loss is not None
    assert not math.isfinite(bar.loss)


def test_the_loss_of_another_name_is_not_taken() -> None:
    bar, _ = read_bar("steps:   2%|█ | 58/2900 [01:09<56:50, 1.20s/it, reduced_train_loss=2.3, val_loss=9]")
    assert bar == Bar(STEPS, 58, 2900)


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("{'loss': 4.328, 'grad_norm': 1.655, 'epoch': 0.25}", 4.328),
        ("{'loss': '4.328', 'grad_norm': '1.655'}", 4.328),
        ("{'eval_loss': 1.0, 'epoch': 1.0}", None),
        ("loss: 1.0", None),
    ],
)
def test_a_loss_in_a_line_of_its_own(text: str, loss: float | None) -> None:
    assert read_loss(text) == loss


@pytest.mark.parametrize(
    ("bar", "counter", "total", "counts"),
    [
        (Bar(STEPS, 1, 60), None, None, True),
        (Bar(STEPS, 1, 60), STEPS, 60, True),
        (Bar(STEPS, 1, 60), UNNAMED, 10, True),
        (Bar(STEPS, 61, 60), STEPS, 60, False),
        (Bar(UNNAMED, 1, 10), STEPS, None, False),
        (Bar(UNNAMED, 1, 10), None, None, True),
        (Bar(UNNAMED, 1, 10), UNNAMED, 10, True),
        (Bar(UNNAMED, 1, 50), UNNAMED, 10, False),
        (Bar(UNNAMED, 1, 10, nested=True), None, None, True),
        (Bar(UNNAMED, 1, 10, nested=True), UNNAMED, 10, False),
        (Bar(TRAIN, 1, 16), UNNAMED, 10, True),
        (Bar(TRAIN, 1, 16), EPOCH, 16, False),
        (Bar(EPOCH, 1, 16), UNNAMED, 10, True),
        (Bar(EPOCH, 1, 16), STEPS, 60, False),
        (Bar("read caption", 1, 10), None, None, False),
        (Bar("Writing model shards", 1, 1), UNNAMED, 10, False),
        (Bar("validation steps", 1, 10), STEPS, 60, False),
    ],
)
def test_only_the_surest_bar_counts_steps(bar: Bar, counter: str | None, total: int | None, counts: bool) -> None:
    assert counts_steps(bar, counter, total) is counts


@pytest.mark.parametrize(
    ("text", "rank", "rest"),
    [
        ("[default0]:  0%|  | 0/9 [00:00<?]", 0, " 0%|  | 0/9 [00:00<?]"),
        ("[rank11]: Traceback (most recent call last):", 11, "Traceback (most recent call last):"),
        ("[2024-01-08] start", None, "[2024-01-08] start"),
        ("[Train] Epoch: [2][317/4100]", None, "[Train] Epoch: [2][317/4100]"),
        ("", None, ""),
    ],
)
def test_the_rank_before_a_line(text: str, rank: int | None, rest: str) -> None:
    assert read_rank(text) == (rank, rest)
