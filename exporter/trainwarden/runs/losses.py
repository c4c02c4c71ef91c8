"""The loss that was printed last, and how often it was no finite number."""

import math
from typing import Any

from trainwarden.model import ErrorKind, Progress

_NOWHERE = -1


class Losses:
    """Of one generation. What a former follower of it stored can be gone on from."""

    def __init__(self, progress: Progress) -> None:
        self.newest = progress.loss
        """None before the first, and while it is no finite number."""
        self._nonfinite = progress.nonfinite_losses
        self._lost = progress.loss is None and ErrorKind.NAN_LOSS.value in progress.errors
        """Whether it is NaN or infinite: one error, however long it stays so."""
        self._lost_at: int | None = progress.count if self._lost else _NOWHERE
        """The count at which it was last seen so."""

    def fields(self) -> dict[str, Any]:
        """What ``model.Progress`` says of it, by its names."""
        return {"loss": self.newest, "nonfinite_losses": self._nonfinite}

    def note(self, loss: float, count: int | None) -> bool:
        """``loss`` stood beside this count; whether it is lost with it, which is an error."""
        if math.isfinite(loss):
            self.newest, self._lost = loss, False
            return False
        if count is None or self._lost_at != count:
            self._lost_at = count
            self._nonfinite += 1
        newly, self._lost, self.newest = not self._lost, True, None
        return newly
