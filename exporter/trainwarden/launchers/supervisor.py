"""Runs that ``trainwarden run`` started: asked over the run folder's control socket."""

from typing import Literal

from trainwarden.model import RunState
from trainwarden.runs import control
from trainwarden.runs.folder import RunFolder

START_SECONDS = 60.0
"""For verifying the checkpoint again, and for the keeper's launch."""


class SupervisorLauncher:
    """Implements ``launchers.base.Launcher`` by the verbs of the control socket."""

    def __init__(self, folder: RunFolder, by: Literal["user", "receiver"] = "receiver") -> None:
        self._folder = folder
        self._by: Literal["user", "receiver"] = by

    def probe(self) -> RunState:
        """A fresh reading; asked by the receiver, it also keeps a crashed run open for it."""
        return control.ask(self._folder, control.Probe(by=self._by))

    def stop(self, *, final: bool, reason: str) -> None:
        """Ask the supervisor to stop every member."""
        control.ask(self._folder, control.Stop(by="receiver", final=final, reason=reason))

    def rehearse(self, checkpoint: str, generation: int, remedy: str = "") -> None:
        """Ask the supervisor whether it would launch; it verifies the checkpoint and makes the command."""
        request = control.Start(checkpoint, generation, rehearsal=True, remedy=remedy)
        control.ask(self._folder, request, timeout=START_SECONDS)

    def start(self, checkpoint: str, generation: int, remedy: str = "") -> RunState:
        """Ask the supervisor to launch the next generation; it verifies the checkpoint again."""
        return control.ask(self._folder, control.Start(checkpoint, generation, remedy=remedy), timeout=START_SECONDS)
