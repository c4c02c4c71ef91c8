"""What single lines say: kohya's own, and a collection of many trainers' lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainwarden.model import ErrorKind
from trainwarden.runs.bars import STEPS, Bar, counts_steps
from trainwarden.runs.events import (
    HF,
    KOHYA,
    LIGHTNING,
    Caching,
    EpochStarted,
    Evaluating,
    Event,
    Header,
    Loss,
    Saving,
    Speaks,
    read_line,
)
from trainwarden.runs.faults import Fault

CASES = Path(__file__).parents[1] / "cases/output"
ROWS = [json.loads(line) for line in (CASES / "training_log_lines.jsonl").read_text().splitlines()]

KINDS = {
    "oom": {ErrorKind.CUDA_OUT_OF_MEMORY, ErrorKind.HOST_OUT_OF_MEMORY},
    "cuda_error": {ErrorKind.CUDA_ERROR, ErrorKind.CUDA_UNKNOWN, ErrorKind.CUDA_LIBRARY},
    "nccl": {ErrorKind.NCCL},
    "killed": {ErrorKind.KILLED, ErrorKind.BUS_ERROR, ErrorKind.DATA_LOADER},
}
"""The collection's kinds are coarser than ours."""


def of_type(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("row", ROWS, ids=[f"{n}-{row['framework']}" for n, row in enumerate(ROWS)])
def test_each_collected_line_is_read_as_it_says(row: dict[str, Any]) -> None:
    """``seconds_per_step`` is not read, on purpose: steps are timed as they appear."""
    expect, events = row["expect"], read_line(row["text"])
    counter = STEPS if row["framework"] == "kohya" else None
    bars = [bar for bar in of_type(events, Bar) if counts_steps(bar, counter, None)]
    losses = [bar.loss for bar in bars] + [loss.value for loss in of_type(events, Loss)]
    faults = of_type(events, Fault)

    assert [(bar.n, bar.total) for bar in bars] == (
        [] if expect["step"] is None else [(expect["step"], expect["total"])]
    )
    assert bool(of_type(events, Saving)) == (expect["kind"] == "saved")
    assert any(loss is not None and loss != loss for loss in losses) == (expect["kind"] == "nan")
    if expect["loss"] is not None:
        assert losses == [expect["loss"]]
    if expect["kind"] in KINDS:
        assert [fault.kind for fault in faults if fault.kind in KINDS[expect["kind"]]]
    else:
        assert not [fault for fault in faults if fault.kind is not ErrorKind.EXCEPTION and not fault.consequence]


@pytest.mark.parametrize(
    ("line", "events"),
    [
        ("  num batches per epoch / 1epochのバッチ数: 20", [Speaks(KOHYA), Header(batches_per_epoch=20)]),
        ("  num epochs / epoch数: 6", [Speaks(KOHYA), Header(max_epochs=6)]),
        ("  gradient accumulation steps / 勾配を合計するステップ数 = 2", [Speaks(KOHYA), Header(accumulation=2)]),
        ("  total optimization steps / 学習ステップ数: 60", [Speaks(KOHYA), Header(max_steps=60)]),
        ("override steps. steps for 6 epochs is / 指定エポックまでのステップ数: 60", []),
        ("epoch 3/6", [EpochStarted(3, 6)]),
        ("epoch is incremented. current_epoch: 1, epoch: 2", []),
        ("saving checkpoint: /srv/train/runs/tiny-000002.safetensors", [Saving()]),
        ("removing old checkpoint: /srv/train/runs/tiny-000002.safetensors", []),
        ("                    INFO     saving last state.      train_util.py:5990", [Speaks(KOHYA), Saving()]),
        ("    INFO     Saving current state to /srv/tiny-state     accelerator.py:3241", [Saving()]),
        ("    INFO     caching latents...                  train_util.py:1170", [Speaks(KOHYA), Caching()]),
        ("caching Text Encoder outputs with caching strategy.", [Caching()]),
        ("prepare images.", [Speaks(KOHYA)]),
        ("generating sample images at step / サンプル画像生成 ステップ: 100", [Evaluating()]),
        ("running training / 学習開始", []),
        ("***** Running training *****", [Speaks(HF)]),
        ("{'loss': '4.328', 'grad_norm': '1.655', 'epoch': '0.25'}", [Speaks(HF), Loss(4.328)]),
        ("{'eval_loss': '0.6933', 'eval_runtime': '0.336', 'epoch': '2'}", [Speaks(HF)]),
        ("{'train_runtime': 4.276, 'train_loss': 1.386, 'epoch': 3}", [Speaks(HF)]),
        ("GPU available: True (cuda), used: True", [Speaks(LIGHTNING)]),
        ("LOCAL_RANK: 0 - CUDA_VISIBLE_DEVICES: [0,1]", [Speaks(LIGHTNING)]),
        ("`Trainer.fit` stopped: `max_epochs=3` reached.", [Speaks(LIGHTNING)]),
        ("Restored all states from the checkpoint at lt/epoch=0-step=20.ckpt", [Speaks(LIGHTNING)]),
        ("[default1]:steps:  33%|███▎ | 20/60 [00:07<00:15, 2.51it/s]", [Bar(STEPS, 20, 60, rank=1)]),
        ("[rank0]: epoch 3/6", [EpochStarted(3, 6)]),
    ],
)
def test_a_line_of_kohyas(line: str, events: list[Event]) -> None:
    assert read_line(line) == events


def test_a_bar_and_the_error_glued_to_it_are_two_events() -> None:
    line = "steps:  33%|███▎ | 20/60 [00:07<00:15, 2.51it/s, avr_loss=1.08]RuntimeError: CUDA error: unknown error"
    text = "RuntimeError: CUDA error: unknown error"
    assert read_line(line) == [Bar(STEPS, 20, 60, 1.08), Fault(ErrorKind.CUDA_UNKNOWN, text)]


def test_a_bar_and_a_save_glued_to_it_are_two_events_in_their_order() -> None:
    line = "steps: 100%|██| 60/60 [00:16<00:00, 3.53it/s, avr_loss=1.02]2026-11-24 02:37:23 INFO  saving last state."
    assert read_line(line) == [Bar(STEPS, 60, 60, 1.02), Saving()]
