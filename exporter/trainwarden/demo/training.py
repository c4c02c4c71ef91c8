"""The training loop, in the order and the words of kohya's ``train_network.py``."""

import logging
import shutil
import time
from collections import deque
from pathlib import Path

from tqdm import tqdm

from trainwarden.demo import faults
from trainwarden.demo.checkpoint import Saver, load_state
from trainwarden.demo.learner import Learner
from trainwarden.demo.options import Options

log = logging.getLogger(__name__)

_IMAGES = 10
"""What the caching bar counts."""


def train(options: Options) -> None:
    """Train from the start or from ``--resume`` to the end. Nothing is saved on a signal: kohya does not either."""
    faults.prepare(options)
    options.output_dir.mkdir(parents=True, exist_ok=True)
    _cache_latents(options.caching_seconds)
    learner = Learner(options.seed, options.total_steps)
    resumed_at = _resume(options, learner)
    _print_header(options)
    first = _first_epoch(options, resumed_at)
    _Loop(options, learner).run(first)


def _cache_latents(seconds: float) -> None:
    log.info("Using DreamBooth method.")  # by which kohya's trainer is known, and that its bar here counts no steps
    log.info("caching latents with caching strategy.")
    log.info("caching latents...")
    for _ in tqdm(range(_IMAGES)):
        time.sleep(seconds / _IMAGES)


def _resume(options: Options, learner: Learner) -> int | None:
    """The step count in the state; None where the training starts afresh."""
    print(f"override steps. steps for {options.max_train_epochs} epochs is / 指定エポックまでのステップ数: ", end="")
    print(options.total_steps)
    if options.resume is None:
        return None
    log.info("resume training from local state: %s", options.resume)
    return load_state(options.resume, learner)


def _print_header(options: Options) -> None:
    print("running training / 学習開始")
    print(f"  num train images * repeats / 学習画像の数×繰り返し回数: {options.steps_per_epoch}")
    print("  num reg images / 正則化画像の数: 0")
    print(f"  num batches per epoch / 1epochのバッチ数: {options.steps_per_epoch}")
    print(f"  num epochs / epoch数: {options.max_train_epochs}")
    print("  batch size per device / バッチサイズ: 1")
    print("  gradient accumulation steps / 勾配を合計するステップ数 = 1")
    print(f"  total optimization steps / 学習ステップ数: {options.total_steps}")


def _first_epoch(options: Options, resumed_at: int | None) -> int:
    """From 0. As in kohya: the state's own count, which begins again at each resume, unless a position is given."""
    if options.initial_step is not None:
        step = options.initial_step
    elif options.initial_epoch is not None:
        step = (options.initial_epoch - 1) * options.steps_per_epoch
    else:
        step = resumed_at or 0
    if step >= options.total_steps:
        raise AssertionError(
            "max_train_steps should be greater than initial step / "
            f"max_train_stepsは初期ステップより大きい必要があります: {options.total_steps} vs {step}"
        )
    return step // options.steps_per_epoch


class _Loop:
    """One process's epochs. Like kohya's, its bar and step count begin at 0 under the full total after a resume."""

    def __init__(self, options: Options, learner: Learner) -> None:
        self._options = options
        self._learner = learner
        self._saver = Saver(learner, options.save_seconds)
        self._losses: deque[float] = deque(maxlen=options.steps_per_epoch)
        self._bar = tqdm(range(options.total_steps), smoothing=0, desc="steps")

    def run(self, first: int) -> None:
        last = self._options.max_train_epochs
        for epoch in range(first, last):
            print(f"\nepoch {epoch + 1}/{last}\n")
            log.info("epoch is incremented. current_epoch: %d, epoch: %d", epoch if epoch > first else 0, epoch + 1)
            for index in range(self._options.steps_per_epoch):
                self._step(epoch, index)
            if epoch + 1 < last and (epoch + 1) % (self._options.save_every_n_epochs or last) == 0:
                self._save(epoch + 1)
        self._finish(last)

    def _step(self, epoch: int, index: int) -> None:
        due = time.monotonic() + self._options.step_seconds
        faults.strike(self._options, epoch * self._options.steps_per_epoch + index + 1)
        self._losses.append(self._learner.learn(epoch, index))
        time.sleep(max(0.0, due - time.monotonic()))
        self._bar.update(1)
        self._bar.set_postfix(avr_loss=sum(self._losses) / len(self._losses))

    def _save(self, epoch: int) -> None:
        self._saver.weights(self._epoch_path(epoch, ".safetensors"))
        expired = self._expired(epoch)
        if expired is not None and (weights := self._epoch_path(expired, ".safetensors")).exists():
            print(f"removing old checkpoint: {weights}")
            weights.unlink()
        if not self._options.save_state:
            return
        log.info("")
        log.info("saving state at epoch %d", epoch)
        self._saver.state(self._epoch_path(epoch, "-state"), epoch, int(self._bar.n))
        if expired is not None and (state := self._epoch_path(expired, "-state")).exists():
            log.info("removing old state: %s", state)
            shutil.rmtree(state)

    def _finish(self, epoch: int) -> None:
        if self._options.save_state:
            log.info("")
            log.info("saving last state.")
            self._saver.state(self._final_path("-state"), epoch, int(self._bar.n))
        self._saver.weights(self._final_path(".safetensors"))
        log.info("model saved.")
        self._bar.close()

    def _expired(self, epoch: int) -> int | None:
        """The epoch whose checkpoint makes room for this one's."""
        every, kept = self._options.save_every_n_epochs, self._options.save_last_n_epochs
        return None if every is None or kept is None else epoch - every * kept

    def _epoch_path(self, epoch: int, ending: str) -> Path:
        return self._options.output_dir / f"{self._options.output_name or 'epoch'}-{epoch:06d}{ending}"

    def _final_path(self, ending: str) -> Path:
        return self._options.output_dir / f"{self._options.output_name or 'last'}{ending}"
