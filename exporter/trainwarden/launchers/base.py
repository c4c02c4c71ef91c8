"""The contract of a launcher. The receiver knows nothing else of how a run is started and stopped."""

from typing import Protocol

from trainwarden.model import RunState


class Launcher(Protocol):
    """Looks at, stops and starts one run.

    Every method raises ``TrainwardenError`` (one sentence) where nobody answers or the request is refused. None of
    them blocks for longer than a few seconds: a stop is asked for, and then probed until it is done.
    """

    def probe(self) -> RunState:
        """A fresh reading of the run."""

    def stop(self, *, final: bool, reason: str) -> None:
        """Ask for every member to be stopped: SIGTERM, grace, SIGKILL. ``final``: no next generation will come."""

    def rehearse(self, checkpoint: str, generation: int, remedy: str = "") -> None:
        """Be refused now where ``start`` would be refused after the stop. Touches nothing."""

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        """Launch ``generation`` from ``checkpoint``. Refused for a generation that was launched already.

        ``remedy``: the next of the guide's that the run offers (``RunState.step_down``), or empty.
        """
