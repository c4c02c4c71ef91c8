"""Hugging Face's ``Trainer`` (transformers 4 and 5) tells its steps, phases and losses.

from trainwarden.integrations.huggingface import TrainwardenCallback

Trainer(..., callbacks=[TrainwardenCallback()])
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from transformers import TrainerCallback

from trainwarden.heartbeat import Heartbeat


class TrainwardenCallback(TrainerCallback):
    """Give it to the ``Trainer``. Another heartbeat than the default is handed in, for a run's name, say."""

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        self._heartbeat = heartbeat or Heartbeat(framework="hf")
        self._training = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """A resumed training goes on from its checkpoint's step."""
        self._training = True
        self._heartbeat.start(state.global_step, max_steps=state.max_steps, max_epochs=state.num_train_epochs)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Of the optimiser's step, after all its batches."""
        # state.epoch is the share that is done: 1.0 after the first epoch's last step.
        self._heartbeat.step(state.global_step, epoch=max(1, ceil(state.epoch or 0)))
        self._enter_next(control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Where it evaluates or saves once an epoch."""
        self._enter_next(control)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """The mean loss since the last log."""
        if logs and "loss" in logs:
            self._heartbeat.loss(logs["loss"])

    def on_prediction_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Of every batch of an evaluation: a sign of life."""
        self._heartbeat.enter("evaluating")

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The evaluation is over; a save may follow it."""
        if control.should_save:
            self._heartbeat.enter("checkpointing")
        else:
            self._go_on()

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """The checkpoint is written."""
        self._go_on()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """What the script does after its last step (a test, a last save) must not look like a step that hangs."""
        self._training = False
        self._heartbeat.enter("evaluating")
        self._heartbeat.close()

    def _enter_next(self, control: Any) -> None:
        """The trainer says beforehand what comes between this step and the next, and in this order."""
        if control.should_evaluate:
            self._heartbeat.enter("evaluating")
        elif control.should_save:
            self._heartbeat.enter("checkpointing")

    def _go_on(self) -> None:
        if self._training:
            self._heartbeat.leave()
