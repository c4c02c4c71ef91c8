"""Lightning's ``Trainer`` (``lightning`` 2, or ``pytorch_lightning``) tells its steps, phases and losses.

from trainwarden.integrations.lightning import TrainwardenCallback

Trainer(..., callbacks=[TrainwardenCallback()])
"""

import sys
from collections.abc import Mapping
from math import isfinite
from typing import Any

from trainwarden.heartbeat import Heartbeat

# Two packages of one code, each with its own classes: the one that the training imported.
if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning import Callback
else:
    from lightning.pytorch import Callback


class TrainwardenCallback(Callback):
    """Give it to the ``Trainer``. Another heartbeat than the default is handed in, for a run's name, say.

    A step is one of the optimiser, as ``trainer.global_step`` counts them: not a batch of several that are accumulated.
    """

    def __init__(self, heartbeat: Heartbeat | None = None) -> None:
        self._heartbeat = heartbeat or Heartbeat(framework="lightning")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """A resumed training goes on from its checkpoint's step."""
        steps, epochs = trainer.estimated_stepping_batches, trainer.max_epochs
        self._heartbeat.start(
            trainer.global_step,
            max_steps=int(steps) if isfinite(steps) else None,
            max_epochs=epochs if epochs is not None and epochs > 0 else None,
        )

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """No hook says that a save is over; the next batch does."""
        if self._heartbeat.current_phase == "checkpointing":
            self._heartbeat.leave()

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Of every batch; where the optimiser waits for more of them, a sign of life."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        self._heartbeat.step(trainer.global_step, loss=loss, epoch=trainer.current_epoch + 1)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:  # noqa: ARG002
        """Just before the file is written."""
        self._heartbeat.enter("checkpointing")

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """A few batches of the validation, before the first step."""
        self._heartbeat.enter("evaluating")

    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """The training is about to start."""
        self._heartbeat.leave()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Between steps, or on its own."""
        self._heartbeat.enter("evaluating")

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """A sign of life."""
        self._heartbeat.enter("evaluating")

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """The steps go on."""
        if trainer.state.fn == "fit":
            self._heartbeat.leave()

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """After a training."""
        self._heartbeat.enter("evaluating")

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """After a training."""
        self._heartbeat.enter("evaluating")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """What the script does after its last step (a test, a last save) must not look like a step that hangs."""
        self._heartbeat.enter("evaluating")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Of a fit, a test, a validation: a last save is over, too."""
        self._heartbeat.enter("evaluating")
        self._heartbeat.close()
